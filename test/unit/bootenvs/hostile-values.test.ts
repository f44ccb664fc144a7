/** attack 23: hostile values in every template of the catalog, and what a rendering can see (attack 24). */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { parse as parseYaml } from 'yaml';
import { builtinCatalog, loadBootenvs, type BootenvRegistry } from '../../../src/bootenvs/registry.js';
import { renderContext, sampleSubject, type RenderSubject } from '../../../src/bootenvs/render.js';
import { FORMS, type ScriptForm } from '../../../src/bootenvs/script-forms.js';

let registry: BootenvRegistry;
beforeAll(async () => {
  registry = (await loadBootenvs({ home: '/nonexistent', catalogs: [builtinCatalog()] })).registry;
});

/** Each would leave a file behind if a shell took it for more than text. */
const ATTACKS = [
  '$(: > PWNED)',
  '`: > PWNED`',
  '; : > PWNED #',
  "' ; : > PWNED ; '",
  '" ; : > PWNED ; "',
  '| : > PWNED',
  '&& : > PWNED',
  '\n: > PWNED\n',
  '\\',
];
const MARKS = [
  '\n#!ipxe\nshell\n',
  '\n%pre\n: > PWNED\n%end\n',
  '%pre',
  '\r\nd-i preseed/early_command string reboot',
  '\u2028x',
  ' || shell',
  '${net0/mac}',
  '{{ 7 }}',
  '!!js/x ',
  '- &a *a',
  ': x',
  '#',
];

const hostile = fc
  .array(fc.oneof(fc.constantFrom(...ATTACKS, ...MARKS), fc.string({ maxLength: 8, unit: 'binary' })), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''));

/** Everything that comes from elsewhere and has no strict form of its own. */
function subjectWith(bootenv: string, value: string): RenderSubject {
  const params = registry.get(bootenv)?.definition.params ?? {};
  const sample = sampleSubject(bootenv, params);
  const hostileParams = Object.fromEntries(Object.entries(params).map(([name, given]) => [name, typeof given === 'string' ? `http://${value}` : given]));
  return {
    ...sample,
    node: { ...sample.node, name: value, serial: value, uuid: value },
    network: { domain: value, dns: [value], router: value },
    install: {
      id: 1,
      spec: {
        disk: 'sda',
        hostname: value,
        packages: ['curl'],
        params: { ...hostileParams, authorized_keys: [`ssh-ed25519 AAAA ${value.replaceAll(/[\r\n]/g, ' ')}`] },
      },
    },
  };
}

function renderAll(bootenv: string, subject: RenderSubject): Map<string, string> {
  const loaded = registry.get(bootenv);
  if (loaded === undefined) throw new Error(bootenv);
  const context = renderContext(subject);
  const files = new Map([...loaded.answers].map(([name, render]) => [name, render(context)] as const));
  if (loaded.definition.kernel !== undefined) {
    const script = { mac: subject.mac, baseUrl: subject.baseUrl, name: subject.node.name, reason: subject.node.name };
    for (const form of Object.keys(FORMS) as ScriptForm[]) {
      files.set(`script.${form}`, FORMS[form].kernel({ ...script, bootenv: loaded.definition, token: 'T', args: loaded.kernelArgs(context) }));
    }
  }
  return files;
}

/** The shell in a rendered file: sections, late commands, lists of commands. */
function shellOf(file: string, text: string): string[] {
  if (file === 'preseed.cfg') return [...text.matchAll(/_command string ((?:.*\\\n)*.*)/g)].map((found) => (found[1] ?? '').replaceAll('\\\n', ''));
  if (file === 'ks.cfg') return [...text.matchAll(/^%p(?:re|ost)[^\n]*\n([\s\S]*?)^%end/gm)].map((found) => found[1] ?? '');
  if (file === 'install.sh') return [text];
  if (file !== 'user-data') return [];
  const { autoinstall } = parseYaml(text) as { autoinstall: Record<string, string[]> };
  return [...(autoinstall['early-commands'] ?? []), ...(autoinstall['late-commands'] ?? [])];
}

/** Runs with no program to be found: builtins alone, which is enough to leave the file. */
function runHarmlessly(script: string): string[] {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'prybar-hostile-'));
  try {
    execFileSync('/bin/sh', ['-c', script], { cwd: directory, env: { PATH: '/nonexistent' }, stdio: 'ignore', timeout: 10_000 });
  } catch {
    // It cannot do its work here; what counts is what it leaves.
  }
  const left = readdirSync(directory);
  rmSync(directory, { recursive: true });
  return left.filter((name) => name.includes('PWNED'));
}

const keysOf = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(keysOf)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, keysOf(inner)]))
      : typeof value;

const NAMES = ['discovery', 'maintenance', 'debian-12', 'ubuntu-24.04', 'rocky-9', 'image'];

describe('attack 23: hostile values', () => {
  it.each(NAMES)('add no line to any file of %s, and end no string', (bootenv) => {
    const plain = renderAll(bootenv, subjectWith(bootenv, 'plain'));
    fc.assert(
      fc.property(hostile, (value) => {
        for (const [file, text] of renderAll(bootenv, subjectWith(bootenv, value))) {
          const expected = plain.get(file) ?? '';
          expect(text.split(/[\n\r\u0085\u2028\u2029]/)).toHaveLength(expected.split(/[\n\r\u0085\u2028\u2029]/).length);
          if (/-data$/.test(file)) expect(keysOf(parseYaml(text))).toEqual(keysOf(parseYaml(expected)));
          // A section, a shebang or a debconf line begins only where the template wrote one.
          const begins = (lines: string) => [...lines.matchAll(/^(#!|%(?:pre|post|packages|end)|d-i \S+|[a-z]+ \{)/gm)].map((found) => found[1]);
          expect(begins(text)).toEqual(begins(expected));
          if (file === 'script.ipxe') expect((text.match(/\|\||&&|\$\{/g) ?? []).length).toBe((expected.match(/\|\||&&|\$\{/g) ?? []).length);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(['debian-12', 'ubuntu-24.04', 'rocky-9', 'image'])('run no command in the shell of %s', (bootenv) => {
    let scripts = 0;
    for (const value of ATTACKS) {
      for (const [file, text] of renderAll(bootenv, subjectWith(bootenv, `x${value}y`))) {
        for (const script of shellOf(file, text)) {
          scripts += 1;
          execFileSync('/bin/sh', ['-n', '-c', script]);
          expect(runHarmlessly(script)).toEqual([]);
        }
      }
    }
    expect(scripts).toBeGreaterThan(0);
  });

  it('the check itself sees a value that was not escaped', () => {
    expect(runHarmlessly(`echo ${ATTACKS[0]}`)).toEqual(['PWNED']);
  });
});

describe('attack 24: what a template sees', () => {
  it('is its own node and nothing else', () => {
    const context = renderContext(sampleSubject('debian-12', {}));
    expect(Object.keys(context).toSorted()).toEqual(['bootenv', 'install', 'install_token', 'network', 'node', 'params', 'urls']);
    const plain = JSON.parse(JSON.stringify(context)) as unknown;
    expect(context).toEqual(plain);
  });
});
