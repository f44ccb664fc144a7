/** PURE: `dhcp-host` lines of dnsmasq.conf, a file of dhcp-hostsfile, and dnsmasq.leases. dnsmasq(8). */
import { parseIpv4 } from '../../shared/ipv4.js';
import { parseMac } from '../../shared/mac.js';
import { foundName, nothingFound, notFollowed, refuse, type Found } from './found.js';

/** Directives that name more hosts elsewhere. */
const ELSEWHERE = new Set(['conf-file', 'conf-dir', 'dhcp-hostsfile', 'dhcp-hostsdir', 'read-ethers']);
/** `12h`, `infinite`: a lease time. */
const TIME = /^(\d+[smhdw]?|infinite)$/i;
/** set:, tag: and net: are tags; id: is a client identifier. */
const LABELLED = /^(set|tag|net|id):/i;

/** The hosts of a configuration, or of a hosts file, which has the same without `dhcp-host=`. */
export function readDnsmasqHosts(text: string): Found {
  const found = nothingFound();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1;
    const content = raw.replace(/(^|\s)#.*$/, '').trim();
    const [, directive, value] = /^([a-z][a-z0-9-]*)\s*(?:=\s*(.*))?$/i.exec(content) ?? [];
    if (content === '') continue;
    if (directive !== undefined && ELSEWHERE.has(directive)) notFollowed(found, line, directive);
    else if (directive === 'dhcp-host') readHost(found, line, value ?? '');
    else if (directive === undefined) readHost(found, line, content);
  }
  return found;
}

function readHost(found: Found, line: number, content: string): void {
  const fields = content.split(',').map((field) => field.trim());
  const macs = fields.filter((field) => parseMac(withoutType(field)) !== undefined);
  const addresses = fields.filter((field) => parseIpv4(field) !== undefined);
  if (fields.includes('ignore')) {
    found.problems.push({
      line,
      message: `${content}: this machine is ignored there; Prybar has no such list`,
      fix: 'network mode `reservations` answers known machines alone',
      blocking: false,
    });
    return;
  }
  if (macs.length === 0)
    return refuse(found, line, `${content}: no MAC (a wildcard is none)`, 'a reservation is by MAC: write it in full, or leave the line out');
  const [mac, ...others] = macs.map((field) => parseMac(withoutType(field)) ?? '');
  const [address] = addresses;
  if (address === undefined) {
    found.problems.push({
      line,
      message: `${content}: no IPv4 address, so there is nothing to reserve`,
      fix: `prybar allocations create NETWORK --mac ${mac} gives it one`,
      blocking: false,
    });
    return;
  }
  if (others.length > 0)
    refuse(found, line, `${others.join(' and ')} would share ${address} with ${mac}; an address has one MAC here`, 'keep one of them on the line');
  const name = fields.find(
    (field) => !macs.includes(field) && field !== address && !LABELLED.test(field) && !TIME.test(field) && !field.startsWith('[') && field !== '',
  );
  found.hosts.push({ line, kind: 'reservation', mac: mac ?? '', address, hostname: foundName(found, line, name), expiresAt: null });
}

/** `06-52:54:00:...`: the hardware type before a MAC. */
const withoutType = (field: string): string => field.replace(/^[0-9a-f]{2}-(?=([0-9a-f]{2}:){5})/i, '');

/** One lease a line: end, MAC, address, name, client identifier. What follows `duid` is IPv6. */
export function readDnsmasqLeases(text: string): Found {
  const found = nothingFound();
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1;
    const [ends = '', hardware = '', address = '', name] = content.trim().split(/\s+/);
    if (ends === '') continue;
    if (ends === 'duid') break;
    const mac = parseMac(withoutType(hardware));
    if (!/^\d{1,12}$/.test(ends) || mac === undefined || parseIpv4(address) === undefined)
      refuse(found, line, 'this is no lease of dnsmasq', 'a line is: <end in seconds> <MAC> <IPv4 address> <name or *> <client id or *>');
    else {
      const expiresAt = Number(ends) === 0 ? null : Number(ends);
      found.hosts.push({ line, kind: 'lease', mac, address, hostname: foundName(found, line, name), expiresAt });
    }
  }
  return found;
}
