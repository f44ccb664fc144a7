/**
 * PURE: what firmware demands of an answer before it takes it, and the byte where an answer fails. Offsets count from the first
 * byte of the DHCP message. netboot-rules 23.
 */
import { formatIpv4 } from '../shared/ipv4.js';
import { printableText } from '../shared/bytes.js';
import { architectures, OptionCode } from '../dhcp/codes.js';
import type { Client } from '../dhcp/client.js';
import { OPTIONS_OFFSET, parsePacket, type DhcpPacket } from '../dhcp/packet.js';

/** What is wrong with an answer, at which byte. */
export type Complaint = { offset: number; what: string; source: string };

/** Field offsets. RFC 2131 figure 1. */
const OFFSET = { op: 0, xid: 4, yiaddr: 16, siaddr: 20, giaddr: 24, chaddr: 28, file: 108, cookie: 236 } as const;
/** Some relays and clients drop what is shorter. RFC 1542 section 2.1. */
const MINIMUM_BYTES = 300;
const BIOS_FILE = /\.(?:kpxe|kkpxe|pxe|0)$/i;
const EFI_FILE = /\.efi$/i;

/** The first byte of an option (its code), or where the options end when it is not there. */
export function offsetOfOption(bytes: Buffer, code: number): { offset: number; isThere: boolean } {
  let offset = OPTIONS_OFFSET;
  while (offset < bytes.length) {
    const here = bytes[offset] ?? 255;
    if (here === code) return { offset, isThere: true };
    if (here === 255) break;
    offset += here === 0 ? 1 : 2 + (bytes[offset + 1] ?? 0);
  }
  return { offset: Math.min(offset, bytes.length), isThere: false };
}

/** Everything that is wrong with an answer for this client, in the order of its bytes; empty when nothing is. */
export function complaintsAbout(bytes: Buffer, client: Client, request: DhcpPacket): Complaint[] {
  const parsed = parsePacket(bytes);
  if (!parsed.ok) return [{ offset: brokenAt(bytes), what: `it is no DHCP message: ${parsed.error}`, source: 'RFC 2131 section 2' }];
  const reply = parsed.value;
  const found: Complaint[] = [];
  const say = (offset: number, what: string, source: string) => void found.push({ offset, what, source });
  const sayOption = (code: number, what: string, source: string) => say(offsetOfOption(bytes, code).offset, what, source);
  if (reply.transactionId !== request.transactionId) say(OFFSET.xid, 'xid is of another question', 'RFC 2131 section 4.4.1');
  if (reply.relayIpAddress !== request.relayIpAddress)
    say(OFFSET.giaddr, `giaddr is ${formatIpv4(reply.relayIpAddress)}, the question's was ${formatIpv4(request.relayIpAddress)}`, 'RFC 2131 table 3');
  if (bytes.length < MINIMUM_BYTES)
    say(bytes.length, `it ends after ${bytes.length} bytes: some clients and relays drop less than ${MINIMUM_BYTES}`, 'RFC 1542 section 2.1');
  if (!reply.options.has(OptionCode.serverIdentifier)) sayOption(OptionCode.serverIdentifier, 'no server identifier (54)', 'RFC 2131 table 3');
  if (reply.yourIpAddress !== 0 && !reply.options.has(OptionCode.leaseTime))
    sayOption(OptionCode.leaseTime, 'an address and no lease time (51)', 'RFC 2131 table 3');
  checkRelay(reply, request, sayOption);
  if (client.stage === 'pxe' || client.stage === 'http') checkBoot(reply, client, say, sayOption);
  return found.toSorted((a, b) => a.offset - b.offset);
}

type SayOption = (code: number, what: string, source: string) => void;

function checkRelay(reply: DhcpPacket, request: DhcpPacket, sayOption: SayOption): void {
  const sent = request.options.get(OptionCode.relayAgentInformation);
  const echoed = reply.options.get(OptionCode.relayAgentInformation);
  if (sent !== undefined && echoed?.equals(sent) !== true)
    sayOption(OptionCode.relayAgentInformation, 'option 82 is not echoed as it came', 'RFC 3046 section 2.2');
}

function checkBoot(reply: DhcpPacket, client: Client, say: (offset: number, what: string, source: string) => void, sayOption: SayOption): void {
  const wanted = client.stage === 'http' ? 'HTTPClient' : 'PXEClient';
  const vendor = printableText(reply.options.get(OptionCode.vendorClass) ?? Buffer.alloc(0));
  if (vendor !== wanted) {
    const said = vendor === '' ? 'no vendor class (60)' : `vendor class (60) is ${JSON.stringify(vendor)}`;
    sayOption(
      OptionCode.vendorClass,
      `${said}: firmware takes boot offers of ${wanted} alone`,
      client.stage === 'http' ? 'UEFI 2.10 section 24.7.2.2' : 'PXE 2.1 section 2.2.3',
    );
  }
  if (vendor === 'PXEClient' && !reply.options.has(OptionCode.vendorSpecific)) {
    sayOption(
      OptionCode.vendorSpecific,
      'PXEClient without option 43: firmware goes to port 4011 and ends in PXE-E16',
      'netboot-rules 4; PXE 2.1 section 2.2.3',
    );
  }
  const file = printableText(reply.options.get(OptionCode.bootFileName) ?? reply.bootFile);
  const hasOption = reply.options.has(OptionCode.bootFileName);
  const sayFile = (what: string, source: string) => (hasOption ? sayOption(OptionCode.bootFileName, what, source) : say(OFFSET.file, what, source));
  if (file === '') return sayFile('no boot file (file, or option 67): PXE-E53', 'PXE 2.1 section 2.2.3');
  if (client.stage === 'pxe' && reply.nextServerIpAddress === 0 && !reply.options.has(OptionCode.tftpServerName)) {
    say(OFFSET.siaddr, 'no boot server (siaddr, or option 66)', 'RFC 2131 section 2; PXE 2.1 section 2.2.3');
  }
  if (client.stage === 'http' && !/^https?:\/\//.test(file)) sayFile('HTTP Boot needs an absolute URL', 'UEFI 2.10 section 24.7.3.1; netboot-rules 12');
  const firmware = client.architecture === undefined ? undefined : architectures[client.architecture]?.firmware;
  const isWrong = firmware === 'bios' ? EFI_FILE.test(file) : firmware?.startsWith('uefi') === true && BIOS_FILE.test(file);
  if (isWrong) sayFile(`${file} is not for ${firmware ?? 'its'} firmware`, 'RFC 4578 section 2.1');
}

/** Where bytes stop being a DHCP message. */
function brokenAt(bytes: Buffer): number {
  if (bytes.length < OPTIONS_OFFSET) return bytes.length;
  if (bytes.readUInt32BE(OFFSET.cookie) !== 0x63825363) return OFFSET.cookie;
  let offset = OPTIONS_OFFSET;
  while (offset < bytes.length && bytes[offset] !== 255) {
    const next = offset + (bytes[offset] === 0 ? 1 : 2 + (bytes[offset + 1] ?? 0));
    if (next > bytes.length) return offset;
    offset = next;
  }
  return offset;
}
