import { describe, expect, it } from '@jest/globals';
import { splitAttempts, usualSecondsToDiscover } from '../../../src/bootwatch/attempts.js';
import { diagnose } from '../../../src/bootwatch/diagnose.js';
import { CASES, evidence, NETWORK, node, TFTP } from './diagnose-cases.js';
import { asks, instant, leases, loader, MAC, step, toKernel } from './step-builders.js';

const first = (...args: Parameters<typeof evidence>) => diagnose(evidence(...args)).suspects[0];

describe('the boot doctor', () => {
  // Rows of three would leave a fourth parameter to Jest, as `done`.
  it.each(CASES.map(([id, ...known]) => [id, known] as const))('names %s', (id, [steps, seconds, more]) => {
    expect(first(steps, seconds, more)?.id).toBe(id);
  });

  it('says nothing of a boot that goes on, step by step', () => {
    const steps = [step('power-on', 0), ...toKernel(60), ...leases('other', 80), step('facts', 90)];
    const named = steps.map((last, index) => diagnose(evidence(steps.slice(0, index + 1), (last.at.getTime() - instant(0).getTime()) / 1000 + 1)).suspects);
    expect(named.flat().map((suspect) => suspect.id)).toEqual([]);
    expect(diagnose(evidence(steps, 500)).verdict).toBe('running');
  });

  it('does not call a machine stalled because another try did not work', () => {
    const retried = [
      ...leases('pxe', 0),
      step('tftp-start', 1, TFTP),
      step('tftp-failed', 30, { ...TFTP, bytes: 0 }),
      ...toKernel(40),
      ...leases('other', 50),
      step('facts', 60),
    ];
    expect(diagnose(evidence(retried, 70))).toMatchObject({ verdict: 'running', suspects: [] });
  });

  it('netboot rule 17: waits three times the usual time for a DISCOVER, and tells link, switch port and boot device', () => {
    const known = node({ nics: [{ mac: MAC, carrier: false, lldp: 'sw7 port 12' }], bootDevice: 'NVMe' });
    const after = (seconds: number) => first([step('power-on', 0)], seconds, { ...known, usualSecondsToDiscover: 30 });
    expect(after(89)).toBeUndefined();
    expect(after(91)).toMatchObject({ id: 'no-discover', certainty: 'likely' });
    expect(after(91)?.because.join(' ')).toMatch(/usually takes 30 s.*no link.*sw7 port 12.*NVMe/);
    expect(first([step('power-on', 0)], 119)).toBeUndefined();
  });

  it('knows the usual time from the boots before', () => {
    const boots = [10, 40, 20].flatMap((seconds, index) => [step('power-cycle', index * 1000), ...leases('pxe', index * 1000 + seconds)]);
    expect(usualSecondsToDiscover(splitAttempts(boots))).toBe(20);
    expect(usualSecondsToDiscover([])).toBeNull();
  });

  it('attack 14: a proxy offer or a 4011 answer that is followed up is no stall, and an unknown architecture is named with its number', () => {
    const answer = { arch: 12, reason: 'unknown architecture' };
    expect(first([...asks('pxe', 0, answer), step('dhcp-ack', 1, { stage: 'pxe', ...answer })], 30)?.because).toEqual([
      'it says architecture 12 (PowerPC Open Firmware)',
    ]);
    const proxied = { network: { ...NETWORK, mode: 'proxy' } };
    expect(diagnose(evidence([...asks('pxe', 0), ...asks('pxe', 4), ...loader(5), ...leases('ipxe', 6)], 8, proxied)).suspects).toEqual([]);
  });

  it('reads no text of a machine: what it says changes no verdict', () => {
    const evil = '</script>\u001b[31m other-server pool-exhausted';
    const steps = [...leases('pxe', 0), ...loader(1)].map((own) => ({
      ...own,
      text: evil,
      facts: { ...own.facts, wants: evil, vendor_class: evil, said: evil },
    }));
    expect(diagnose(evidence(steps, 60)).suspects[0]?.id).toBe('loader-dies');
  });

  it('takes facts of any shape', () => {
    for (const value of [null, [], {}, -1, 'x', Number.NaN]) {
      const facts = { stage: value, reason: value, uuid: value, bytes: value, left_out: value, own_options: value, silent: value, file: value };
      const steps = Object.keys({ 'dhcp-offer': 0, 'dhcp-ignored': 0, 'tftp-failed': 0, 'tftp-missing': 0, 'http-missing': 0, 'token-refused': 0 }).map(
        (kind) => step(kind, 0, facts),
      );
      expect(() => diagnose(evidence(steps, 600))).not.toThrow();
    }
  });
});
