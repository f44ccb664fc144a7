/** DNS messages that are nearly right: questions of our zones and of others, EDNS in every shape, lying counts, pointers and labels. */
import type { Random } from '../../test/support/random.js';
import { queryBytes } from '../../test/unit/dns/support.js';
import { damage } from './bytes.js';

const NAMES = [
  'ctrl1.rack.example',
  'CTRL1.Rack.Example',
  'ctrl1-vm.rack.example',
  'rack.example',
  'nobody.rack.example',
  'example.com',
  '.',
  'switch1.rack.example',
];
const REVERSE = ['5.0.0.10.in-addr.arpa', '0.0.10.in-addr.arpa', '9.9.9.9.in-addr.arpa'];
/** A, NS, CNAME, SOA, PTR, AAAA, OPT, IXFR, AXFR, ANY, and two that are none. */
const TYPES = [1, 2, 5, 6, 12, 28, 41, 251, 252, 255, 0, 65_535];
const SIZES = [0, 511, 512, 1232, 4096, 65_535];

/** A maker of messages. */
export function dnsPackets(random: Random): () => Buffer {
  return () => {
    const name = random.chance(0.2) ? oddName(random) : random.pick(random.chance(0.7) ? NAMES : REVERSE);
    const edns = random.chance(0.5) ? { edns: random.pick(SIZES), version: random.chance(0.1) ? random.below(256) : 0 } : {};
    const words = { id: random.below(65_536), rd: random.chance(0.5), class: random.chance(0.1) ? random.below(65_536) : 1, ...edns };
    let packet = queryBytes(name, random.pick(TYPES), words);
    if (random.chance(0.1)) packet[2] = random.below(256); // response, opcode, flags
    if (random.chance(0.15)) packet.writeUInt16BE(random.pick([0, 1, 2, 3, 65_535]), random.pick([4, 6, 8, 10])); // counts
    // More records behind it: a second OPT, a pointer to itself, a length past the message.
    if (random.chance(0.15))
      packet = Buffer.concat([packet, random.pick([packet.subarray(-11), Buffer.from([0xc0, packet.length, 0, 1, 0, 1, 0, 0, 0, 0, 255, 255])])]);
    return random.chance(0.3) ? damage(packet, random, 6) : packet;
  };
}

/** Labels of every length and every byte, and names longer than 255. */
function oddName(random: Random): string {
  const label = (): string => String.fromCharCode(...Array.from({ length: random.pick([1, 2, 62, 63]) }, () => random.below(256))).replaceAll('.', '-');
  return Array.from({ length: random.between(1, 5) }, label).join('.');
}
