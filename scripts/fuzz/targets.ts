/** What `npm run fuzz` knows, and how many packets each gets unless told otherwise. */
import { dhcpTarget } from './dhcp-target.js';
import { dnsTarget } from './dns-target.js';
import type { MakeTarget } from './target.js';
import { tftpTarget } from './tftp-target.js';

export const targets: Readonly<Record<string, { readonly make: MakeTarget; readonly packets: number }>> = {
  dhcp: { make: dhcpTarget, packets: 10_000_000 },
  dns: { make: dnsTarget, packets: 1_000_000 },
  tftp: { make: tftpTarget, packets: 1_000_000 },
};
