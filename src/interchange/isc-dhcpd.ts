/**
 * PURE: the file of host declarations that ISC dhcpd includes, and the groups they are in. dhcpd reads its configuration when
 * it starts and at no other time, so a change is a restart; over OMAPI (omapi/) it is none. Format: dhcpd.conf(5),
 * dhcp-options(5), dhcp-eval(5).
 */
import { LOADERS_BY_ARCH, scriptUrl, type BootPlace, type HostRecord } from './host-records.js';

const HEAD = '# Written by Prybar. Changes made here are lost.\n';

/** Names of the groups, which OMAPI puts hosts into. */
export const ISC_GROUPS = { network: 'prybar-network', local: 'prybar-local' } as const;

/** Machines that boot from the network stand in a group with the boot statements, the others outside. */
export function iscHosts(hosts: readonly HostRecord[], place: BootPlace & { loaderForLocal: boolean }): string {
  const boots = (host: HostRecord) => host.boot === 'network' || (host.boot === 'local' && place.loaderForLocal);
  const network = hosts.filter(boots).map((host) => `  ${hostDeclaration(host)}\n`);
  const others = hosts.filter((host) => !boots(host)).map((host) => `${hostDeclaration(host)}\n`);
  return `${HEAD}${IPXE_OPTION}group {\n${bootStatements(place)}${network.join('')}}\n${others.join('')}`;
}

/** The groups for a dhcpd that is changed over OMAPI: the site's dhcpd.conf holds them. */
export function iscGroups(place: BootPlace): string {
  return `${IPXE_OPTION}group ${ISC_GROUPS.network} {\n${bootStatements(place)}}\ngroup ${ISC_GROUPS.local} {\n}\n`;
}

/** The same for every machine that boots from the network, whether Prybar knows it or not: a class, for a dhcpd that nobody drives. */
export function iscBootClass(place: BootPlace): string {
  return `${IPXE_OPTION}class "prybar" {\n  match if substring (option vendor-class-identifier, 0, 9) = "PXEClient";\n${bootStatements(place)}}\n`;
}

/** The name of a machine's declaration: of its MAC, so that it is nobody else's and never changes. */
export function iscHostName(mac: string): string {
  return `prybar-${mac.replaceAll(':', '')}`;
}

function hostDeclaration(host: HostRecord): string {
  const statements = [
    `hardware ethernet ${host.mac};`,
    ...(host.address === null ? [] : [`fixed-address ${host.address};`]),
    ...(host.hostname === null ? [] : [`option host-name "${host.hostname}";`]),
  ];
  return `host ${iscHostName(host.mac)} { ${statements.join(' ')} }`;
}

/** iPXE waits for no proxy offers (3 s a boot): option 175, sub-option 176 = 1. */
const IPXE_OPTION = 'option prybar-ipxe code 175 = string;\n';

/** `pxe-system-type` is option 93 (RFC 4578). Option 43 with discovery control 8: the file is in this packet (netboot-rules 4). */
function bootStatements(place: BootPlace): string {
  const byArch = LOADERS_BY_ARCH.flatMap((row) => row.archs.map((arch) => ({ arch: `00:${arch.toString(16).padStart(2, '0')}`, loader: row.loader })));
  const firmware = byArch.map(({ arch, loader }) => `  } elsif option pxe-system-type = ${arch} {\n    filename "${loader}";\n`);
  return [
    `  next-server ${place.host};\n`,
    '  if exists user-class and option user-class = "iPXE" {\n',
    `    filename "${scriptUrl(place)}";\n    option prybar-ipxe b0:01:01;\n`,
    ...firmware,
    '  }\n',
  ].join('');
}
