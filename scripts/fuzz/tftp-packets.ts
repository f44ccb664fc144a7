/** TFTP packets that are nearly right: requests of firmware and clients, abused options, acknowledgements around the window. */
import type { Random } from '../../test/support/random.js';
import type { Window } from '../../src/tftp/window.js';
import { damage } from './bytes.js';

const NAMES = [
  'snponly.efi',
  'undionly.kpxe\xff',
  '/snponly.efi',
  '..\\..\\etc\\passwd',
  '../../etc/passwd',
  '%2e%2e/x',
  '',
  '\\',
  'a'.repeat(300),
  'x\x1b[2J',
];
const OPTIONS = ['blksize', 'BLKSIZE', 'tsize', 'timeout', 'windowsize', 'multicast', ''];
const VALUES = ['0', '1', '7', '8', '512', '1432', '1468', '65464', '65465', '65535', '-1', '1e9', '99999999999999999999', '', ' 8', '0x10', '8\x1b'];
/** The requests of OVMF and of iPXE, as they were seen on the wire (netboot-rules 3). */
const REAL = ['\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0', '\0\x01undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0'];

/** `window` is the transfer under way, whose numbers make an acknowledgement mean something. */
export function tftpPackets(random: Random, window: () => Window | undefined): () => Buffer {
  const make = (): Buffer => {
    switch (random.below(8)) {
      case 0:
        return Buffer.from(random.pick(REAL), 'latin1');
      case 1:
        return request(random);
      case 2:
        return Buffer.from([0, random.between(0, 9), random.below(256), random.below(256), 65, 0]);
      default:
        return acknowledgement(random, window());
    }
  };
  return () => {
    const packet = make();
    return random.chance(0.2) ? damage(packet, random, 4) : packet;
  };
}

function request(random: Random): Buffer {
  const words = [random.pick(NAMES), random.pick(['octet', 'OCTET', 'netascii', 'mail', ''])];
  for (let left = random.below(20); left > 0; left -= 1) words.push(random.pick(OPTIONS), random.pick(VALUES));
  const end = random.chance(0.1) ? '' : '\0';
  return Buffer.from(`\0${String.fromCharCode(random.between(1, 2))}${words.join('\0')}${end}`, 'latin1');
}

function acknowledgement(random: Random, window: Window | undefined): Buffer {
  const around = window === undefined ? 0 : random.chance(0.5) ? window.sent : window.acknowledged;
  const block = random.chance(0.1) ? random.below(65_536) : around + random.between(-2, 2);
  return Buffer.from([0, 4, (block >> 8) & 255, block & 255]);
}
