/**
 * The DHCP parser and everything the server decides from its result, in the server's order, without sockets and rows:
 * parse, who, which link, decision, boot file, reply, bytes, destination. The lease book is the server's own and lives on.
 */
import { strict as assert } from 'node:assert';
import type { Random } from '../../test/support/random.js';
import { chooseBootfile, DEFAULT_LOADERS } from '../../src/dhcp/bootfile.js';
import { describeClient } from '../../src/dhcp/client.js';
import { BootpOp, MessageType, OptionCode } from '../../src/dhcp/codes.js';
import { chooseDestination } from '../../src/dhcp/destination.js';
import { encodePacket } from '../../src/dhcp/encode.js';
import { LeaseBook } from '../../src/dhcp/lease-book.js';
import { networkOfRequest } from '../../src/dhcp/link.js';
import type { Network } from '../../src/dhcp/network.js';
import { parsePacket, type DhcpPacket } from '../../src/dhcp/packet.js';
import { readRelay } from '../../src/dhcp/relay.js';
import { buildReply, replyLimitBytes } from '../../src/dhcp/reply.js';
import { decide, type Decision } from '../../src/dhcp/respond.js';
import { subnetContains } from '../../src/shared/ipv4.js';
import { dhcpPackets } from './dhcp-packets.js';
import { ENDPOINT, KNOWN, NETWORKS, POOL_SIZE } from './dhcp-world.js';
import type { Target } from './target.js';

const LEASE_MS = 600_000;
const NO_OPTIONS: ReadonlyMap<number, Buffer> = new Map();

export function dhcpTarget(random: Random): Target {
  const book = new LeaseBook();
  const next = dhcpPackets(random, KNOWN);
  let nowMs = 0;
  return {
    next,
    take(bytes) {
      nowMs += random.below(500);
      if (random.chance(0.001)) book.sweep(nowMs);
      const parsed = parsePacket(bytes);
      if (!parsed.ok) return false;
      return answer(parsed.value, bytes.length, book, nowMs);
    },
  };
}

function answer(packet: DhcpPacket, receivedBytes: number, book: LeaseBook, nowMs: number): boolean {
  const client = describeClient(packet);
  const relay = readRelay(packet);
  const network = networkOfRequest(NETWORKS, packet, relay, ENDPOINT);
  if (packet.op !== BootpOp.request || packet.relayIpAddress === ENDPOINT || network === undefined) return false;
  const serverId = relay.serverIdentifierOverride ?? ENDPOINT;
  const decision = decide({ packet, mac: client.mac, network, serverIds: [serverId, ENDPOINT], book, nowMs });
  const reply = replyOf(decision);
  if (reply === undefined) {
    forget(decision, book, network, client.mac, nowMs);
    return false;
  }
  if (decision.kind === 'offer' || decision.kind === 'acknowledge') assertMayHave(decision.address, client.mac, network, book, nowMs);
  remember(decision, book, network, client.mac, nowMs);
  const boot = chooseBootfile(client, { bootenv: 'discovery', bootLocal: false }, true, { bootHost: ENDPOINT, bootHttpPort: 8191, loaders: DEFAULT_LOADERS });
  const limit = replyLimitBytes(packet);
  const encoded = encodePacket(
    buildReply(packet, client, {
      type: reply.type,
      serverId,
      address: reply.address,
      leaseSeconds: reply.type === MessageType.nak || decision.kind === 'inform' ? undefined : network.leaseSeconds,
      network,
      hostName: client.hostName,
      boot: typeof boot === 'string' ? undefined : boot,
      extraOptions: NO_OPTIONS,
      message: decision.kind === 'refuse' ? decision.reason : undefined,
    }),
    limit,
  );
  assert.ok(encoded.ok, 'the reply can be written');
  assertSound(encoded.value.bytes, packet, reply, Math.max(limit, 300), receivedBytes);
  const to = chooseDestination(packet, relay, reply.type, { sourcePort: 68, localPort: 67 });
  assert.ok(to.port > 0 && to.address !== 0, 'the reply goes somewhere');
  return true;
}

type Reply = { readonly type: MessageType | undefined; readonly address: number };

/** The message type of each decision that is answered; BOOTP has none. */
const REPLY_TYPES: ReadonlyMap<string, MessageType | undefined> = new Map([
  ['offer', MessageType.offer],
  ['acknowledge', MessageType.ack],
  ['refuse', MessageType.nak],
  ['inform', MessageType.ack],
  ['bootp', undefined],
]);

function replyOf(decision: Decision): Reply | undefined {
  if (!REPLY_TYPES.has(decision.kind)) return undefined;
  const givesAddress = decision.kind === 'offer' || decision.kind === 'acknowledge' || decision.kind === 'bootp';
  return { type: REPLY_TYPES.get(decision.kind), address: givesAddress ? decision.address : 0 };
}

/** What an address given to a machine must be, whatever was asked for. */
function assertMayHave(address: number, mac: string, network: Network, book: LeaseBook, nowMs: number): void {
  assert.ok(subnetContains(network.subnet, address), 'the address is of the network');
  assert.notEqual(address, ENDPOINT, 'the server gives its own address to nobody');
  const reservedFor = network.reservationByAddress.get(address);
  assert.ok(reservedFor === undefined || reservedFor === mac, 'a reserved address is given to its machine only');
  const holder = book.holderOf(address, nowMs);
  assert.ok(holder === undefined || holder.state === 'declined' || holder.mac === mac, 'an address with a holder is given to nobody else');
  assert.ok(holder?.state !== 'declined' || reservedFor === mac, 'a declined pool address rests');
}

/** The answer as its reader sees it. RFC 2131 table 3, RFC 3046 section 2.2. */
function assertSound(bytes: Buffer, request: DhcpPacket, reply: Reply, limit: number, receivedBytes: number): void {
  const read = parsePacket(bytes);
  assert.ok(read.ok, 'the reply can be read');
  const { value } = read;
  const echoed = request.options.get(OptionCode.relayAgentInformation);
  // Option 82 is never cut for size (RFC 3046 section 2.2.1): a relay that sent more than fits gets more than the limit back.
  assert.ok(bytes.length <= Math.max(limit, receivedBytes + 300), `the reply of ${bytes.length} bytes fits ${limit}`);
  assert.equal(value.op, BootpOp.reply);
  assert.equal(value.transactionId, request.transactionId);
  assert.equal(value.yourIpAddress, reply.address);
  assert.deepEqual(value.options.get(OptionCode.messageType), reply.type === undefined ? undefined : Buffer.from([reply.type]));
  assert.ok(value.clientHardwareAddress.equals(request.clientHardwareAddress), 'chaddr comes back');
  if (echoed !== undefined) assert.ok(value.options.get(OptionCode.relayAgentInformation)?.equals(echoed), 'option 82 comes back');
}

/** The book changes as the server changes it once a row is written. */
function remember(decision: Decision, book: LeaseBook, network: Network, mac: string, nowMs: number): void {
  if (decision.kind === 'offer') book.holdOffer({ address: decision.address, networkId: network.id, mac, expiresAtMs: nowMs + 30_000 });
  if (decision.kind === 'acknowledge') book.put({ address: decision.address, networkId: network.id, mac, state: 'active', expiresAtMs: nowMs + LEASE_MS });
  const { leases, offers } = book.size();
  assert.ok(leases <= POOL_SIZE && offers <= POOL_SIZE, `the book holds ${leases} leases and ${offers} offers, the networks only ${POOL_SIZE} addresses`);
}

function forget(decision: Decision, book: LeaseBook, network: Network, mac: string, nowMs: number): void {
  if (decision.kind === 'release') book.forget(decision.address);
  if (decision.kind === 'decline' && !decision.isReserved) {
    book.put({ address: decision.address, networkId: network.id, mac, state: 'declined', expiresAtMs: nowMs + LEASE_MS });
  }
  if (decision.kind === 'ignore' && decision.reason === 'other-server') book.dropOffer(network.id, mac);
}
