import { describe, expect, it } from '@jest/globals';
import { parseRenderedName } from '../../../src/bootenvs/rendered-names.js';

const mac = '52:54:00:ab:00:01';

describe('names of rendered files', () => {
  it.each([
    ['pxelinux.cfg/01-52-54-00-ab-00-01', { kind: 'script', form: 'pxelinux', mac }],
    ['grub/grub.cfg-01-52-54-00-AB-00-01', { kind: 'script', form: 'grub', mac }],
    // $net_default_mac of GRUB
    ['grub/grub.cfg-01-52:54:00:ab:00:01', { kind: 'script', form: 'grub', mac }],
    ['grub/grub.cfg', { kind: 'grub-entry' }],
    ['pxelinux.cfg/default', { kind: 'pxelinux-default' }],
    ['autoexec.ipxe', { kind: 'autoexec' }],
    ['boot/files/debian-12/linux', { kind: 'payload', bootenv: 'debian-12', file: 'linux' }],
  ])('%s', (name, meaning) => {
    expect(parseRenderedName(name)).toEqual(meaning);
  });

  it.each([
    '',
    'pxelinux.cfg/',
    'pxelinux.cfg/52-54-00-ab-00-01',
    'pxelinux.cfg/C000020A',
    'pxelinux.cfg/01-52-54-00-ab-00-01/x',
    'grub/x86_64-efi/command.lst',
    'grub/grub.cfg-01-52-54-00-ab-00',
    'boot/files/../linux',
    'boot/files/debian-12/a/b',
    'boot/files/.hidden/linux',
    'snponly.efi',
  ])('attack 25: %j is none', (name) => {
    expect(parseRenderedName(name)).toBeUndefined();
  });
});
