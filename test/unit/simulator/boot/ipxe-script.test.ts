import { describe, it, expect } from '@jest/globals';
import type { FirmwareKind } from '../../../../src/simulator/identity.js';
import { interpret, type IpxeEffect, type IpxeEnd } from '../../../../src/simulator/boot/ipxe-script.js';

type Outcome = { end: IpxeEnd; effects: IpxeEffect[] };

/** Runs a script; URLs and chains that contain "missing" fail. */
function run(lines: string[], firmware: FirmwareKind = 'bios'): Outcome {
  const settings = new Map([
    ['mac', '52:54:77:00:00:01'],
    ['platform', firmware === 'uefi' ? 'efi' : 'pcbios'],
    ['ip', '127.77.0.10'],
  ]);
  const effects: IpxeEffect[] = [];
  const steps = interpret(lines.join('\n'), { firmware, settings });
  let step = steps.next();
  while (step.done !== true) {
    effects.push(step.value);
    step = steps.next(!('url' in step.value && step.value.url.includes('missing')));
  }
  return { end: step.value, effects };
}

const end = (lines: string[], firmware?: FirmwareKind) => run(['#!ipxe', ...lines], firmware).end;
const failed = (reason: string) => ({ kind: 'failed', reason: expect.stringContaining(reason) as unknown });

describe('an iPXE script', () => {
  it('boots the kernel it loaded, with its line and its initrds', () => {
    const { end: booted, effects } = run([
      '#!ipxe',
      '# a comment',
      'set base http://127.0.0.1:8191/boot/files',
      'kernel --name linux ${base}/linux initrd=initrd.gz \\',
      '  BOOTIF=01-${net0/mac:hexhyp} prybar.class=discovery || goto failed',
      'initrd --name initrd.gz ${base}/initrd.gz',
      'boot || goto failed',
      ':failed',
      'exit 1',
    ]);
    expect(booted).toEqual({
      kind: 'boot',
      kernelUrl: 'http://127.0.0.1:8191/boot/files/linux',
      kernelLine: 'initrd=initrd.gz BOOTIF=01-52-54-77-00-00-01 prybar.class=discovery',
      initrdUrls: ['http://127.0.0.1:8191/boot/files/initrd.gz'],
    });
    expect(effects.map((effect) => effect.kind)).toEqual(['fetch', 'fetch']);
  });

  it.each<[string, string[], unknown, FirmwareKind?]>([
    ['ends with exit at its end', ['echo hello'], { kind: 'exit', success: true }],
    ['ends with exit 0', ['exit'], { kind: 'exit', success: true }],
    ['ends with exit 1', ['exit 1'], { kind: 'exit', success: false }],
    ['boots the disk of a BIOS machine', ['sanboot --no-describe --drive 0x80'], { kind: 'sanboot', drive: '0x80' }],
    ['goes on after sanboot on UEFI, which has no such device', ['sanboot --no-describe --drive 0x80 || exit'], { kind: 'exit', success: true }, 'uefi'],
    ['chooses by platform', ['iseq ${platform} efi && exit 1 ||', 'sanboot'], { kind: 'sanboot', drive: '0x80' }],
    ['chooses by platform on UEFI', ['iseq ${platform} efi && exit 1 ||', 'sanboot'], { kind: 'exit', success: false }, 'uefi'],
    ['jumps', ['goto local', 'exit 1', ':local', 'exit 0'], { kind: 'exit', success: true }],
    ['jumps on failure', ['kernel http://h/missing || goto rescue', 'exit 0', ':rescue', 'exit 1'], { kind: 'exit', success: false }],
    ['stops at a command that fails', ['kernel http://h/missing', 'exit 0'], failed('Could not boot: kernel http://h/missing')],
    ['stops at a command it does not know', ['frobnicate'], failed('frobnicate')],
    ['goes on when the failure was allowed', ['frobnicate ||', 'exit'], { kind: 'exit', success: true }],
    ['cannot boot without a kernel', ['boot'], failed('boot')],
    ['boots from the boot command alone', ['boot http://h/k quiet'], { kind: 'boot', kernelUrl: 'http://h/k', kernelLine: 'quiet', initrdUrls: [] }],
    ['has no label', ['goto nowhere'], failed('nowhere')],
    ['is cut off when it loops', [':again', 'goto again'], failed('loops')],
    ['stops the machine when it asks for a shell', ['shell'], failed('shell')],
    ['finds an unset setting unset', ['isset ${nothing} && exit 1 ||', 'exit'], { kind: 'exit', success: true }],
  ])('%s', (...[, lines, expected, firmware]) => {
    expect(end(lines, firmware)).toEqual(expected);
  });

  it('is refused without its first line', () => {
    expect(run(['<html>']).end).toEqual(failed('not an iPXE script'));
  });

  it('asks for a chain and follows its result', () => {
    const { end: ended, effects } = run(['#!ipxe', 'chain --replace http://h/missing || chain http://h/next', 'exit 1']);
    expect(effects).toEqual([
      { kind: 'chain', url: 'http://h/missing', replace: true },
      { kind: 'chain', url: 'http://h/next', replace: false },
    ]);
    expect(ended).toEqual({ kind: 'exit', success: false });
  });
});
