import { describe, expect, it } from '@jest/globals';
import { bootLines, presentSteps, type BootStep } from '../../../../src/web/store/boot-steps.js';

let lastId = 0;
function step(kind: string, seconds: number, text = ''): BootStep {
  lastId += 1;
  return { id: lastId, at: new Date(Date.parse('2026-11-21T10:00:00Z') + seconds * 1000).toISOString(), kind, title: kind, tone: 'plain', text, facts: {} };
}

describe('the present boot on the page', () => {
  it('shows what firmware repeats once, with how often', () => {
    const lines = bootLines([0, 4, 12].flatMap((at) => [step('discover', at), step('offer', at, '10.0.0.9')]));
    expect(lines.map(({ title, times }) => [title, times])).toEqual([
      ['discover', 3],
      ['offer', 3],
    ]);
  });

  it('keeps the same step apart when others came between', () => {
    const lines = bootLines([step('discover', 0), step('offer', 0), step('request', 0), step('ack', 0), step('discover', 5)]);
    expect(lines.map(({ title, gap }) => [title, gap])).toEqual([
      ['discover', 0],
      ['offer', 0],
      ['request', 0],
      ['ack', 0],
      ['discover', 5],
    ]);
  });

  it('knows how far a transfer is', () => {
    expect(bootLines([step('tftp-progress', 0, 'snponly.efi 40 %'), step('tftp-done', 1, '100 %')]).map((line) => line.share)).toEqual([0.4, null]);
  });

  it('begins with the present boot, or with what there is', () => {
    const steps = [step('facts', 0), step('power-cycle', 10), step('discover', 20)];
    expect(presentSteps(steps, steps[1]?.id ?? 0).map(({ kind }) => kind)).toEqual(['power-cycle', 'discover']);
    expect(presentSteps(steps, null)).toHaveLength(3);
    expect(bootLines([])).toEqual([]);
  });
});
