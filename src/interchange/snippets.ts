/**
 * PURE: what an operator adds to a server of the site so that its machines boot from Prybar: once and for all machines
 * (`dnsmasq`, `isc`, `kea`), or to have it driven machine by machine (`dnsmasq-driven`, `isc-driven`, `isc-omapi`).
 */
import { dnsmasqConfiguration } from './dnsmasq.js';
import { LOADERS_BY_ARCH, scriptUrl, type BootPlace } from './host-records.js';
import { iscBootClass, iscGroups } from './isc-dhcpd.js';

export const SNIPPET_SERVERS = ['dnsmasq', 'isc', 'kea', 'dnsmasq-driven', 'isc-driven', 'isc-omapi'] as const;
export type SnippetServer = (typeof SNIPPET_SERVERS)[number];

/** `externalYml`: the entry of Prybar's own file that goes with it; null where nothing is driven. */
export type Snippet = { server: SnippetServer; text: string; externalYml: string | null; notes: string[] };

/** Where driven servers find what Prybar writes; Debian's dnsmasq and dhcpd may read there. */
const DIRECTORY = '/etc/prybar';
const DNSMASQ_FILES = { hosts: `${DIRECTORY}/dnsmasq-hosts`, options: `${DIRECTORY}/dnsmasq-options` };
const ISC_FILE = `${DIRECTORY}/dhcpd-hosts.conf`;

/** Firmware asks for its loader on this port and no other (RFC 1350). */
const TFTP_PORT = 69;

/** The snippet for a server, with this installation's addresses. */
export function snippetFor(server: SnippetServer, place: BootPlace & { tftpPort: number }): Snippet {
  const notes = [
    ...(place.tftpPort === TFTP_PORT
      ? []
      : [`Prybar's TFTP listens on port ${place.tftpPort}, firmware asks on 69: start it with --interface, or set PRYBAR_TFTP_PORT`]),
    ...(place.host.startsWith('127.') ? [`machines cannot reach ${place.host}: set PRYBAR_BOOT_HOST, or start Prybar with --interface`] : []),
  ];
  return { server, notes, ...TEXTS[server](place) };
}

const TEXTS: Record<SnippetServer, (place: BootPlace) => { text: string; externalYml: string | null }> = {
  dnsmasq: (place) => ({ text: dnsmasqForAll(place), externalYml: null }),
  isc: (place) => ({ text: iscBootClass(place), externalYml: null }),
  kea: (place) => ({ text: keaClasses(place), externalYml: null }),
  'dnsmasq-driven': () => ({
    text: dnsmasqConfiguration(DNSMASQ_FILES),
    externalYml: yaml(['kind: dnsmasq', `hosts_file: ${DNSMASQ_FILES.hosts}`, `options_file: ${DNSMASQ_FILES.options}`, 'pid_file: /run/dnsmasq/dnsmasq.pid']),
  }),
  'isc-driven': () => ({
    text: `include "${ISC_FILE}";\n`,
    externalYml: yaml([
      'kind: isc-dhcpd',
      `hosts_file: ${ISC_FILE}`,
      'check: [dhcpd, -t, -q, -cf, /etc/dhcp/dhcpd.conf]',
      'restart: [systemctl, restart, isc-dhcp-server]',
      'pid_file: /run/dhcpd.pid',
    ]),
  }),
  'isc-omapi': (place) => ({
    text: `omapi-port 7911;\nkey prybar { algorithm hmac-md5; secret REPLACE_WITH_BASE64; }\nomapi-key prybar;\n${iscGroups(place)}`,
    externalYml: yaml(['kind: isc-omapi', 'key_name: prybar', `key_file: ${DIRECTORY}/omapi-key`]),
  }),
};

function yaml(fields: readonly string[]): string {
  return ['servers:', '  - name: site', ...fields.map((field) => `    ${field}`), ''].join('\n');
}

function dnsmasqForAll(place: BootPlace): string {
  return [
    'dhcp-match=set:prybar-ipxe,175',
    ...LOADERS_BY_ARCH.flatMap((row) => row.archs.map((arch) => `dhcp-match=set:prybar-${row.tag},option:client-arch,${arch}`)),
    ...LOADERS_BY_ARCH.map((row) => `dhcp-boot=tag:!prybar-ipxe,tag:prybar-${row.tag},${row.loader},,${place.host}`),
    `dhcp-boot=tag:prybar-ipxe,${scriptUrl(place)},,${place.host}`,
    'dhcp-option=tag:prybar-ipxe,175,b0:01:01',
    '',
  ].join('\n');
}

/** Client classes of Kea (kea-dhcp4, "Client Classification"): to be put into `Dhcp4`. */
function keaClasses(place: BootPlace): string {
  const iPxe = { name: 'prybar-ipxe', test: "substring(option[77].hex,0,4) == 'iPXE'", 'next-server': place.host, 'boot-file-name': scriptUrl(place) };
  const firmware = LOADERS_BY_ARCH.map((row) => ({
    name: `prybar-${row.tag}`,
    test: `not member('prybar-ipxe') and (${row.archs.map((arch) => `option[93].hex == 0x${arch.toString(16).padStart(4, '0')}`).join(' or ')})`,
    'next-server': place.host,
    'boot-file-name': row.loader,
  }));
  return `${JSON.stringify({ 'client-classes': [iPxe, ...firmware] }, null, 2)}\n`;
}
