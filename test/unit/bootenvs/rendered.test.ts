/** Golden files: what machines are given, reviewed as text. `UPDATE_GOLDEN=1` writes them anew. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import { builtinCatalog, loadBootenvs, type BootenvRegistry } from '../../../src/bootenvs/registry.js';
import { renderContext, sampleSubject, type RenderSubject } from '../../../src/bootenvs/render.js';
import { kernelScript, localScript, waitScript } from '../../../src/bootenvs/script.js';
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
    files.set('script.ipxe', kernelScript({ ...subject, bootenv: loaded.definition, token: TOKEN, args: loaded.kernelArgs(context) }));
  }
  return files;
}

describe('rendered boot environments', () => {
  it.each(['discovery', 'maintenance', 'debian-12', 'ubuntu-24.04', 'rocky-9'])('%s is as reviewed', (bootenv) => {
    expect(registry.get(bootenv)?.problems.filter((problem) => problem.includes('render'))).toEqual([]);
    for (const [name, text] of rendered(bootenv)) expectGolden(path.join(bootenv, name), text);
  });

  it.each([true, false])('local, with a loader for UEFI disks: %s', (hasLocalLoader) => {
    const subject = { mac: '52:54:00:00:00:01', baseUrl: 'http://192.0.2.1:8191', name: 'sample-1', reason: 'install 1 completed' };
    expectGolden(`local${hasLocalLoader ? '-with-loader' : ''}.ipxe`, localScript({ ...subject, hasLocalLoader }));
    expectGolden('wait.ipxe', waitScript(subject));
  });

  it.each([
    ['debian-12', 'preseed.cfg'],
    ['ubuntu-24.04', 'user-data'],
    ['rocky-9', 'ks.cfg'],
  ])('%s tells its installer where to call back and with what', (bootenv, file) => {
    expect(readAnswers(rendered(bootenv).get(file) ?? '')).toMatchObject({ nodeUrl: 'http://192.0.2.1:8191/node/1', installToken: 'I'.repeat(43) });
  });

  it.each(['debian-12', 'ubuntu-24.04', 'rocky-9'])('%s never puts the completion token on the kernel line', (bootenv) => {
    expect(rendered(bootenv).get('script.ipxe')).not.toContain('IIII');
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

  it.each(['x\n#!ipxe\nshell', 'n$(reboot)', 'n`id`', 'a"b\'c', 'a || shell', '%pre', ''])('stays as it is for a node named %j (attack 23)', (name) => {
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
    ['a password that is not hashed', { params: { root_password_hash: 'secret' } }],
  ])('refuses %s', (_what, spec) => {
    expect(() => rendered('debian-12', { install: { id: 1, spec } })).toThrow();
  });
});
