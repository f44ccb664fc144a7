import { describe, expect, it } from '@jest/globals';
import { parseExternalSettings } from '../../../src/interchange/external/settings.js';

const read = (text: string) => parseExternalSettings(text, 'external.yml');
const dnsmasq = (more: string) => `servers: [{ name: lab, kind: dnsmasq, hosts_file: /a/h, options_file: /a/o${more} }]`;

describe('external.yml', () => {
  it('is read with its defaults; an empty one names no server', () => {
    expect(read('')).toEqual([]);
    expect(read('servers: [{ name: moc, kind: pxelinux, directory: /var/lib/tftpboot/pxelinux.cfg }]')).toEqual([
      { name: 'moc', kind: 'pxelinux', networks: [], directory: '/var/lib/tftpboot/pxelinux.cfg', target: '../{bootenv}/pxelinux.cfg', targets: {} },
    ]);
  });

  it.each([
    [dnsmasq(''), /servers\.0\.pid_file: is required, or reload, or restart/],
    [dnsmasq(', pid_file: /run/pid, tags: true'), /servers\.0\.tags: need restart/],
    [dnsmasq(', pid_file: run/pid'), /pid_file: must be an absolute path/],
    [dnsmasq(', pid_file: /run/pid, colour: red'), /colour/],
    ['servers: [{ name: x, kind: kea }]', /servers\.0\.kind/],
    ['servers: [{ name: "A b", kind: pxelinux, directory: /x }]', /servers\.0\.name: small letters/],
    ['servers: [{ name: a, kind: pxelinux, directory: /x }, { name: a, kind: pxelinux, directory: /y }]', /servers\.1\.name: there are two/],
    ['servers: [', /is not YAML/],
    [dnsmasq(', restart: systemctl restart dnsmasq'), /servers\.0\.restart/],
  ])('is refused with the field that is wrong: %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});
