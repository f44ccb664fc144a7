/**
 * PURE: runs an iPXE script as far as it can without a network. `interpret` is a generator: it yields what iPXE would do to
 * the world (fetch a file, chain, wait), is told whether that worked, and returns how the script ended. So the flow of
 * control, `||` and `goto` above all, is tested as a table, and the machine only fetches.
 */
import type { FirmwareKind } from '../identity.js';
import { expandSettings, scriptLines, splitCommands, splitOptions } from './ipxe-words.js';

/** What iPXE asks of the world. The answer is whether it worked. */
export type IpxeEffect =
  | { kind: 'fetch'; role: 'kernel' | 'initrd' | 'image'; url: string }
  | { kind: 'chain'; url: string; replace: boolean }
  | { kind: 'sleep'; seconds: number }
  | { kind: 'print'; text: string };

/** How a script ended. */
export type IpxeEnd =
  | { kind: 'boot'; kernelUrl: string; kernelLine: string; initrdUrls: string[] }
  | { kind: 'sanboot'; drive: string }
  | { kind: 'exit'; success: boolean }
  | { kind: 'failed'; reason: string };

export type IpxeMachine = {
  firmware: FirmwareKind;
  settings: ReadonlyMap<string, string>;
};

/** A script that loops (`:retry` ... `goto retry`) is cut off here; real ones take a few dozen commands. */
const MAX_COMMANDS = 2_000;
const VALUED = ['--name', '-n', '--drive', '-d', '--timeout', '-t', '--filename', '-f', '--label', '--extra', '-e', '--uuid', '-u'];

/** Commands that succeed and change nothing a simulated machine has. */
const NO_EFFECT = new Set([
  'dhcp',
  'ifopen',
  'ifclose',
  'ifconf',
  'ifstat',
  'route',
  'console',
  'colour',
  'color',
  'cpair',
  'imgfree',
  'imgstat',
  'imgtrust',
  'sync',
  'nstat',
  'show',
  'params',
  'param',
  'prompt',
  'login',
  'menu',
  'item',
  'inc',
  'time',
  'config',
  'ntp',
]);

type Loaded = { kernelUrl: string | undefined; kernelLine: string; initrdUrls: string[] };

/** Runs `script`. The generator's input is the result of the effect it yielded. */
export function* interpret(script: string, machine: IpxeMachine): Generator<IpxeEffect, IpxeEnd, boolean> {
  const lines = scriptLines(script);
  if (!lines[0]?.startsWith('#!ipxe')) return { kind: 'failed', reason: 'Exec format error: not an iPXE script' };
  const settings = new Map(machine.settings);
  const loaded: Loaded = { kernelUrl: undefined, kernelLine: '', initrdUrls: [] };

  let executed = 0;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith(':') || line.startsWith('#')) continue;
    let succeeded = true;
    let attempted = '';
    for (const command of splitCommands(expandSettings(line, (name, type) => readSetting(settings, name, type)))) {
      if (command.when === 'success' && !succeeded) continue;
      if (command.when === 'failure' && succeeded) continue;
      if (command.words.length === 0) {
        succeeded = true;
        continue;
      }
      executed += 1;
      if (executed > MAX_COMMANDS) return { kind: 'failed', reason: `more than ${MAX_COMMANDS} commands: the script loops` };
      attempted = command.words.join(' ');
      const [name = '', ...words] = command.words;
      if (name === 'goto') {
        at = lines.findIndex((other) => other === `:${words[0] ?? ''}`);
        if (at === -1) return { kind: 'failed', reason: `goto ${words[0] ?? ''}: no such label` };
        succeeded = true;
        break;
      }
      const result = yield* execute(name, words, { machine, settings, loaded });
      if (typeof result !== 'boolean') return result;
      succeeded = result;
    }
    // iPXE stops a script at the first line whose result is failure.
    if (!succeeded) return { kind: 'failed', reason: `Could not boot: ${attempted}` };
  }
  return { kind: 'exit', success: true };
}

type Context = { machine: IpxeMachine; settings: Map<string, string>; loaded: Loaded };

/** One command: true or false as iPXE's return status, or the end of the script. */
function* execute(name: string, words: string[], context: Context): Generator<IpxeEffect, boolean | IpxeEnd, boolean> {
  const { options, rest } = splitOptions(words, VALUED);
  const url = rest[0] ?? '';
  switch (name) {
    case 'kernel':
    case 'imgselect':
    case 'imgload':
      return yield* loadKernel(url, rest.slice(1), context);
    case 'initrd':
    case 'module':
    case 'imgfetch':
      if (!(yield { kind: 'fetch', role: name === 'imgfetch' ? 'image' : 'initrd', url })) return false;
      context.loaded.initrdUrls.push(url);
      return true;
    case 'imgargs':
      context.loaded.kernelLine = rest.slice(1).join(' ');
      return true;
    case 'boot':
    case 'imgexec':
      if (url !== '' && !(yield* loadKernel(url, rest.slice(1), context))) return false;
      return context.loaded.kernelUrl === undefined ? false : bootEnd(context.loaded);
    case 'chain':
      return yield { kind: 'chain', url, replace: options.has('--replace') || options.has('-r') };
    case 'sanboot':
      // iPXE of 2019 on UEFI: "Could not boot from SAN device: No such device" (testbed 5d). The script goes on.
      return context.machine.firmware === 'uefi' ? false : { kind: 'sanboot', drive: options.get('--drive') ?? options.get('-d') ?? '0x80' };
    case 'exit':
      return { kind: 'exit', success: (rest[0] ?? '0') === '0' };
    case 'set':
    case 'clear':
      context.settings.set(settingName(url), rest.slice(1).join(' '));
      return true;
    case 'isset':
      return url !== '';
    case 'iseq':
      return rest[0] === rest[1];
    case 'echo':
      yield { kind: 'print', text: rest.join(' ') };
      return true;
    case 'sleep':
      return yield { kind: 'sleep', seconds: Number(url) || 0 };
    case 'shell':
    case 'reboot':
    case 'poweroff':
      return { kind: 'failed', reason: `the script asks for ${name}` };
    default:
      return NO_EFFECT.has(name);
  }
}

function* loadKernel(url: string, line: string[], context: Context): Generator<IpxeEffect, boolean, boolean> {
  if (!(yield { kind: 'fetch', role: 'kernel', url })) return false;
  context.loaded.kernelUrl = url;
  context.loaded.kernelLine = line.join(' ');
  return true;
}

function bootEnd(loaded: Loaded): IpxeEnd {
  return { kind: 'boot', kernelUrl: loaded.kernelUrl ?? '', kernelLine: loaded.kernelLine, initrdUrls: loaded.initrdUrls };
}

/** `net0/mac` and `mac` are the same setting on a machine with one link up. Type `hexhyp` writes a MAC with dashes. */
function readSetting(settings: ReadonlyMap<string, string>, name: string, type: string): string | undefined {
  const value = settings.get(settingName(name));
  if (value === undefined) return undefined;
  if (type === 'hexhyp') return value.replaceAll(':', '-');
  if (type === 'hexraw') return value.replaceAll(':', '');
  return value;
}

function settingName(name: string): string {
  return name.replace(/^(?:net0|netX|smbios)\//, '');
}
