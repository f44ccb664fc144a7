/**
 * Registry numbers of DHCPv4, by the names the registries give them.
 * https://www.iana.org/assignments/bootp-dhcp-parameters/bootp-dhcp-parameters.xhtml
 */

/** Option codes that Prybar reads or writes; every other code is carried as raw bytes. */
export const OptionCode = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  domainNameServer: 6,
  hostName: 12,
  domainName: 15,
  broadcastAddress: 28,
  ntpServers: 42,
  vendorSpecific: 43,
  requestedIpAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  parameterRequestList: 55,
  message: 56,
  maximumMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientIdentifier: 61,
  tftpServerName: 66,
  bootFileName: 67,
  userClass: 77,
  relayAgentInformation: 82,
  clientArchitecture: 93,
  clientNetworkInterface: 94,
  clientUuid: 97,
  subnetSelection: 118,
  /** Addresses of TFTP servers. RFC 5859. */
  tftpServerAddress: 150,
  /** iPXE encapsulated options, assigned to Etherboot. https://ipxe.org/howto/dhcpd */
  ipxe: 175,
  end: 255,
} as const;

/** Sub-options of option 82. RFC 3046, RFC 3527, RFC 5107, RFC 8357. */
export const RelaySubOption = {
  circuitId: 1,
  remoteId: 2,
  linkSelection: 5,
  serverIdentifierOverride: 11,
  relaySourcePort: 19,
} as const;

/** DHCP message types. RFC 2132 section 9.6, RFC 3203. */
export const MessageType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
  forceRenew: 9,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** The `op` field. RFC 2131 section 2. */
export const BootpOp = { request: 1, reply: 2 } as const;

/** What a boot loader has to be built for. One loader file for each; see bootfile.ts. */
export type Firmware =
  | 'bios'
  | 'uefi-ia32'
  | 'uefi-x64'
  | 'uefi-arm32'
  | 'uefi-arm64'
  | 'uefi-riscv64'
  | 'uefi-loong64'
  | 'uboot-arm32'
  | 'uboot-arm64'
  | 'raspberry-pi'
  | 'unknown';

/** One row of the processor architecture registry: its number is the index in `architectures`. */
export type Architecture = { readonly name: string; readonly firmware: Firmware; readonly http: boolean };

/**
 * Processor architecture types, option 93. The index is the registry number.
 * https://www.iana.org/assignments/dhcpv6-parameters/dhcpv6-parameters.xhtml#processor-architecture
 * 7 is x64 UEFI and 9 is EBC in the registry; RFC 4578's own listing had them the other way round and firmware exists that
 * followed it, so 9 gets the x64 loader (an EBC-only machine was never built).
 */
export const architectures: readonly Architecture[] = [
  { name: 'x86 BIOS', firmware: 'bios', http: false },
  { name: 'NEC/PC98', firmware: 'unknown', http: false },
  { name: 'Itanium', firmware: 'unknown', http: false },
  { name: 'DEC Alpha', firmware: 'unknown', http: false },
  { name: 'Arc x86', firmware: 'unknown', http: false },
  { name: 'Intel Lean Client', firmware: 'unknown', http: false },
  { name: 'x86 UEFI', firmware: 'uefi-ia32', http: false },
  { name: 'x64 UEFI', firmware: 'uefi-x64', http: false },
  { name: 'EFI Xscale', firmware: 'unknown', http: false },
  { name: 'EBC', firmware: 'uefi-x64', http: false },
  { name: 'ARM 32-bit UEFI', firmware: 'uefi-arm32', http: false },
  { name: 'ARM 64-bit UEFI', firmware: 'uefi-arm64', http: false },
  { name: 'PowerPC Open Firmware', firmware: 'unknown', http: false },
  { name: 'PowerPC ePAPR', firmware: 'unknown', http: false },
  { name: 'POWER OPAL v3', firmware: 'unknown', http: false },
  { name: 'x86 UEFI HTTP', firmware: 'uefi-ia32', http: true },
  { name: 'x64 UEFI HTTP', firmware: 'uefi-x64', http: true },
  { name: 'EBC HTTP', firmware: 'uefi-x64', http: true },
  { name: 'ARM 32-bit UEFI HTTP', firmware: 'uefi-arm32', http: true },
  { name: 'ARM 64-bit UEFI HTTP', firmware: 'uefi-arm64', http: true },
  { name: 'x86 BIOS HTTP', firmware: 'bios', http: true },
  { name: 'ARM 32-bit U-Boot', firmware: 'uboot-arm32', http: false },
  { name: 'ARM 64-bit U-Boot', firmware: 'uboot-arm64', http: false },
  { name: 'ARM 32-bit U-Boot HTTP', firmware: 'uboot-arm32', http: true },
  { name: 'ARM 64-bit U-Boot HTTP', firmware: 'uboot-arm64', http: true },
  { name: 'RISC-V 32-bit UEFI', firmware: 'unknown', http: false },
  { name: 'RISC-V 32-bit UEFI HTTP', firmware: 'unknown', http: true },
  { name: 'RISC-V 64-bit UEFI', firmware: 'uefi-riscv64', http: false },
  { name: 'RISC-V 64-bit UEFI HTTP', firmware: 'uefi-riscv64', http: true },
  { name: 'RISC-V 128-bit UEFI', firmware: 'unknown', http: false },
  { name: 'RISC-V 128-bit UEFI HTTP', firmware: 'unknown', http: true },
  { name: 's390 Basic', firmware: 'unknown', http: false },
  { name: 's390 Extended', firmware: 'unknown', http: false },
  { name: 'MIPS 32-bit UEFI', firmware: 'unknown', http: false },
  { name: 'MIPS 64-bit UEFI', firmware: 'unknown', http: false },
  { name: 'Sunway 32-bit UEFI', firmware: 'unknown', http: false },
  { name: 'Sunway 64-bit UEFI', firmware: 'unknown', http: false },
  { name: 'LoongArch 32-bit UEFI', firmware: 'unknown', http: false },
  { name: 'LoongArch 32-bit UEFI HTTP', firmware: 'unknown', http: true },
  { name: 'LoongArch 64-bit UEFI', firmware: 'uefi-loong64', http: false },
  { name: 'LoongArch 64-bit UEFI HTTP', firmware: 'uefi-loong64', http: true },
  { name: 'ARM rpiboot', firmware: 'raspberry-pi', http: false },
];
