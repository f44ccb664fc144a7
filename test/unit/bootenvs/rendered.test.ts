/** Golden files: what machines are given, reviewed as text. `UPDATE_GOLDEN=1` writes them anew. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import { builtinCatalog, loadBootenvs, type BootenvRegistry } from '../../../src/bootenvs/registry.js';
import { renderContext, sampleSubject, type RenderSubject } from '../../../src/bootenvs/render.js';
import { GRUB_ENTRY } from '../../../src/bootenvs/grub.js';
import { localDiskScript } from '../../../src/bootenvs/local-loader.js';
import { PXELINUX_DEFAULT } from '../../../src/bootenvs/pxelinux.js';
import { FORMS, type ScriptForm } from '../../../src/bootenvs/script-forms.js';
import { readAnswers } from '../../../src/simulator/agent/answers.js';

const GOLDEN = path.join(process.cwd(), 'test', 'fixtures', 'golden', 'bootenvs');
let registry: BootenvRegistry;

beforeAll(async () => {
  registry = (await loadBootenvs({ home: '/nonexistent', catalogs: [builtinCatalog()] })).registry;
});

function expectGolden(name: string, text: string): void {
  const file = path.join(GOLDEN, name);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, 'utf8'));
}

const FORM_NAMES = Object.keys(FORMS) as ScriptForm[];
const TOKEN = 'T'.repeat(43);
const subjectOf = (bootenv: string, more: Partial<RenderSubject> = {}): RenderSubject => ({
  ...sampleSubject(bootenv, registry.get(bootenv)?.definition.params ?? {}),
  bootToken: TOKEN,
  installToken: 'I'.repeat(43),
  ...more,
});

function rendered(bootenv: string, more: Partial<RenderSubject> = {}): Map<string, string> {
  const loaded = registry.get(bootenv);
  const context = renderContext(subjectOf(bootenv, more));
  const subject = { mac: '52:54:00:00:00:01', baseUrl: 'http://192.0.2.1:8191', name: 'sample-1', reason: 'install 1 is armed' };
  const files = new Map([...(loaded?.answers ?? [])].map(([name, render]) => [name, render(context)] as const));
  if (loaded?.definition.kernel !== undefined) {
    for (const form of FORM_NAMES) {
      files.set(`script.${form}`, FORMS[form].kernel({ ...subject, bootenv: loaded.definition, token: TOKEN, args: loaded.kernelArgs(context) }));
    }
  }
  return files;
}

describe('rendered boot environments', () => {
  it.each(['discovery', 'maintenance', 'image', 'debian-12', 'ubuntu-24.04', 'rocky-9'])('%s is as reviewed', (bootenv) => {
    expect(registry.get(bootenv)?.problems.filter((problem) => problem.includes('render'))).toEqual([]);
    for (const [name, text] of rendered(bootenv)) expectGolden(path.join(bootenv, name), text);
  });

  it.each([true, false])('local, with a loader for UEFI disks: %s', (hasLocalLoader) => {
    const subject = { mac: '52:54:00:00:00:01', baseUrl: 'http://192.0.2.1:8191', name: 'sample-1', reason: 'install 1 completed' };
    expectGolden(`local${hasLocalLoader ? '-with-loader' : ''}.ipxe`, FORMS.ipxe.local({ ...subject, hasLocalLoader, diskScript: '' }));
  });

  it.each(FORM_NAMES)('local and wait as %s reads them', (form) => {
    const subject = { mac: '52:54:00:00:00:01', baseUrl: 'http://192.0.2.1:8191', name: "sample-1'; reboot", reason: 'install 1 completed' };
    const diskScript = localDiskScript({ loaderPath: '/EFI/debian/shimx64.efi', espUuid: 'ABCD-0123' });
    if (form !== 'ipxe') expectGolden(`local.${form}`, FORMS[form].local({ ...subject, hasLocalLoader: true, diskScript }));
    expectGolden(`wait.${form}`, FORMS[form].wait(subject));
  });

  it('what GRUB gets is a script to GRUB', () => {
    const subject = { mac: '52:54:00:00:00:01', baseUrl: 'http://192.0.2.1:8191', name: "it's; $(x) `y` \n}", reason: '$root {' };
    const texts = [GRUB_ENTRY, FORMS.grub.wait(subject), FORMS.grub.local({ ...subject, hasLocalLoader: true, diskScript: localDiskScript(undefined) })];
    for (const bootenv of ['discovery', 'ubuntu-24.04']) texts.push(rendered(bootenv).get('script.grub') ?? '');
    for (const input of texts) {
      const checked = spawnSync('grub-script-check', [], { input, encoding: 'utf8' });
      if (checked.error !== undefined) {
        process.stderr.write('left out: checking GRUB scripts needs grub-script-check\n');
        return;
      }
      expect(checked.stderr).toBe('');
      expect(checked.status).toBe(0);
    }
  });

  it('what everybody gets', () => {
    expectGolden('grub.cfg', GRUB_ENTRY);
    expectGolden('pxelinux-default', PXELINUX_DEFAULT);
  });

  it.each([
    ['debian-12', 'preseed.cfg'],
    ['ubuntu-24.04', 'user-data'],
    ['rocky-9', 'ks.cfg'],
  ])('%s tells its installer where to call back and with what', (bootenv, file) => {
    expect(readAnswers(rendered(bootenv).get(file) ?? '')).toMatchObject({ nodeUrl: 'http://192.0.2.1:8191/node/1', installToken: 'I'.repeat(43) });
  });

  it.each(['discovery', 'maintenance', 'debian-12', 'ubuntu-24.04', 'rocky-9'])(
    'netboot rule 13: %s pins the NIC it boots from, whichever loader',
    (bootenv) => {
      const files = rendered(bootenv);
      for (const form of FORM_NAMES) {
        const line = files.get(`script.${form}`) ?? '';
        expect(line).toContain('BOOTIF=01-52-54-00-00-00-01');
        expect(line).toMatch(/\bip=dhcp\b|netcfg\/choose_interface=auto/);
        if (bootenv === 'rocky-9') expect(line).toContain('inst.ks.device=52:54:00:00:00:01');
      }
    },
  );

  it.each([
    ['debian-12', 'preseed.cfg', ['grub2/update_nvram boolean false', 'force-efi-extra-removable boolean true']],
    ['ubuntu-24.04', 'user-data', ['update_nvram: false', 'reorder_uefi: false']],
    ['rocky-9', 'ks.cfg', ['bootloader --leavebootorder']],
  ])('netboot rule 16: %s leaves the order of the firmware alone', (bootenv, file, settings) => {
    for (const setting of settings) expect(rendered(bootenv).get(file)).toContain(setting);
  });

  it.each(['debian-12', 'ubuntu-24.04', 'rocky-9'])('netboot rule 19: %s never puts the completion token on the kernel line', (bootenv) => {
    expect([...rendered(bootenv)].filter(([name]) => name.startsWith('script.')).join()).not.toContain('IIII');
  });

  it('writes Ubuntu files that are YAML', () => {
    const files = rendered('ubuntu-24.04');
    expect(parseYaml(files.get('user-data') ?? '')).toMatchObject({
      autoinstall: { version: 1, 'user-data': { hostname: 'sample-1' }, packages: ['curl', 'python3', 'curl'] },
    });
    expect(parseYaml(files.get('meta-data') ?? '')).toEqual({ 'instance-id': 'sample-1-install-1', 'local-hostname': 'sample-1' });
  });

  it('writes shell that parses: every late command and every section', () => {
    const lateCommand = /d-i preseed\/late_command string ((?:.*\\\n)*.*)/.exec(rendered('debian-12').get('preseed.cfg') ?? '')?.[1] ?? '';
    const earlyCommand = /d-i partman\/early_command string ((?:.*\\\n)*.*)/.exec(rendered('debian-12').get('preseed.cfg') ?? '')?.[1] ?? '';
    const sections = [...(rendered('rocky-9').get('ks.cfg') ?? '').matchAll(/^%p(?:re|ost)[^\n]*\n([\s\S]*?)^%end/gm)].map((found) => found[1] ?? '');
    expect(sections).toHaveLength(2);
    const autoinstall = parseYaml(rendered('ubuntu-24.04').get('user-data') ?? '').autoinstall as Record<string, string[]>;
    const commands = [...(autoinstall['early-commands'] ?? []), ...(autoinstall['late-commands'] ?? [])];
    // debconf joins continued lines before the shell sees them.
    for (const script of [lateCommand.replaceAll('\\\n', ''), earlyCommand.replaceAll('\\\n', ''), ...sections, ...commands]) {
      expect(script.length).toBeGreaterThan(20);
      execFileSync('/bin/sh', ['-n', '-c', script]);
    }
  });

  it.each(['x\n#!ipxe\nshell', 'n$(reboot)', 'n`id`', 'a"b\'c', 'a || shell', '%pre', ''])('attack 23: stays as it is for a node named %j', (name) => {
    for (const bootenv of ['debian-12', 'ubuntu-24.04', 'rocky-9']) {
      const plain = rendered(bootenv, { node: { id: 1, name: 'node', arch: 'x86_64', uuid: null, serial: null } });
      const hostile = rendered(bootenv, { node: { id: 1, name, arch: 'x86_64', uuid: null, serial: name } });
      for (const [file, text] of hostile) expect(text.split('\n')).toHaveLength((plain.get(file) ?? '').split('\n').length);
    }
  });

  it.each([
    ['a disk with a shell in it', { disk: 'sda; reboot' }],
    ['a disk outside /dev', { disk: '../../etc/passwd' }],
    ['a package that is an option', { packages: ['--allow-unauthenticated'] }],
    ['a package with a line end', { packages: ['vim\n%post'] }],
    ['a key with a line end', { params: { authorized_keys: ['ssh-ed25519 AAAA x\ncommand'] } }],
    ['a password that is not hashed (netboot rule 19)', { params: { root_password_hash: 'secret' } }],
  ])('refuses %s', (_what, spec) => {
    expect(() => rendered('debian-12', { install: { id: 1, spec } })).toThrow();
  });
});
