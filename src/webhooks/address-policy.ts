/**
 * PURE: which addresses a webhook may be sent to. Whoever may subscribe must not be able to make this server speak to itself,
 * to its neighbours' link-local services (cloud metadata) or to the BMCs it holds the passwords of. An address that is an
 * IPv4 one in disguise is judged as that one. What the configuration allows is allowed whatever else it is.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { parseAddressBlock } from '../shared/address-block.js';

/** Why an address is refused, in the words an operator reads; null: it may be spoken to. */
export type AddressPolicy = (address: string) => string | null;

type Block = readonly [network: string, prefix: number];

/** IANA special-purpose address registries: https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-. */
const REFUSED: readonly (readonly [reason: string, ipv4: readonly Block[], ipv6: readonly Block[]])[] = [
  ['loopback', [['127.0.0.0', 8]], [['::1', 128]]],
  ['unspecified', [['0.0.0.0', 8]], [['::', 128]]],
  ['link-local (it may be a metadata service)', [['169.254.0.0', 16]], [['fe80::', 10]]],
  // Metadata services outside link-local: AWS over IPv6, Alibaba Cloud, Oracle Cloud.
  [
    'a metadata service',
    [
      ['100.100.100.200', 32],
      ['192.0.0.192', 32],
    ],
    [['fd00:ec2::254', 128]],
  ],
  ['multicast', [['224.0.0.0', 4]], [['ff00::', 8]]],
  ['reserved', [['240.0.0.0', 4]], [['fec0::', 10]]],
];

/** Prefixes whose last or next 32 bits are an IPv4 address: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056). */
const EMBEDDING: readonly (readonly [prefix: string, bits: number, firstGroup: number])[] = [
  ['::ffff:0:0', 96, 6],
  ['::', 96, 6],
  ['64:ff9b::', 96, 6],
  ['64:ff9b:1::', 48, 6],
  ['2002::', 16, 1],
];

/** `allow` and `bmc`: blocks (`10.0.0.0/8`, `fd00::/8`) or single addresses. Texts that are neither are ignored. */
export function addressPolicy({ allow, bmc }: { allow: readonly string[]; bmc: readonly string[] }): AddressPolicy {
  const allowed = blockListOf(allow);
  const bmcs = blockListOf(bmc);
  const refused = REFUSED.map(([reason, ipv4, ipv6]) => {
    const list = new BlockList();
    for (const [network, prefix] of ipv4) list.addSubnet(network, prefix, 'ipv4');
    for (const [network, prefix] of ipv6) list.addSubnet(network, prefix, 'ipv6');
    return { reason, list };
  });
  const judge = (text: string): string | null => {
    if (isIP(text) === 0) return 'no address';
    // A zone says which interface, not what address.
    const address = text.split('%')[0] ?? text;
    if (contains(allowed, address)) return null;
    // Judged as what it is before what it carries: ::1 is also 0.0.0.1 in the compatible form.
    const found = refused.find(({ list }) => contains(list, address));
    if (found !== undefined) return found.reason;
    if (contains(bmcs, address)) return 'in the network of the BMCs';
    const inner = embeddedIpv4(address);
    return inner === undefined ? null : judge(inner);
  };
  return judge;
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function blockListOf(blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of blocks) {
    const block = parseAddressBlock(text);
    if (block !== undefined) list.addSubnet(block.network, block.prefix, block.family);
  }
  return list;
}

/** The IPv4 address inside an IPv6 one, when its prefix says that there is one. */
function embeddedIpv4(address: string): string | undefined {
  if (!isIPv6(address)) return undefined;
  const groups = groupsOf(address);
  for (const [network, bits, first] of EMBEDDING) {
    const list = new BlockList();
    list.addSubnet(network, bits, 'ipv6');
    const [high, low] = [groups[first], groups[first + 1]];
    if (list.check(address, 'ipv6') && high !== undefined && low !== undefined) return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return undefined;
}

/** The eight groups of an IPv6 address that `isIPv6` took, without a zone. */
function groupsOf(address: string): number[] {
  const bare = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = bare.split('::');
  const read = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const front = read(head);
  if (tail === undefined) return front;
  const back = read(tail);
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
}
