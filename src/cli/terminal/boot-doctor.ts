/** What the boot doctor says, as text. Pure. What a machine said is made printable here (attack 7). */
import type { BootDoctor } from '../answers.js';
import type { Look, Tone } from './look.js';
import { printableLine } from './text-width.js';
import { durationText } from './words.js';

const VERDICTS: Record<BootDoctor['verdict'], { text: string; tone: Tone }> = {
  running: { text: 'runs', tone: 'active' },
  'under-way': { text: 'is booting', tone: 'running' },
  stalled: { text: 'has stopped', tone: 'error' },
  unseen: { text: 'was never heard', tone: 'warn' },
};

const CERTAINTIES: Record<BootDoctor['suspects'][number]['certainty'], Tone> = { certain: 'error', likely: 'warn', possible: 'dim' };

/** Causes that are told in full; of the others only their titles. */
const TOLD = 2;

/** A paragraph for the verdict and one for each cause. */
export function bootDoctorText(answer: BootDoctor, look: Look): string {
  const { verdict, reached, last, silent_seconds: silent, suspects, quirks } = answer;
  const { text, tone } = VERDICTS[verdict];
  const where = last === null ? '' : `: ${reached}; last seen ${printableLine(`${last.title} ${last.text}`)}, ${durationText(silent ?? 0)} ago`;
  const lines = [`${look.paint(tone, `${answer.node?.name ?? answer.mac} ${text}`)}${where}`];
  if (suspects.length === 0)
    lines.push(verdict === 'stalled' ? 'No known cause fits. Look at its console; the steps: prybar boot timeline' : 'Nothing is wrong that is known.');
  for (const suspect of suspects.slice(0, TOLD)) {
    lines.push(
      '',
      `${look.paint(CERTAINTIES[suspect.certainty], `${suspect.certainty}:`)} ${look.paint('strong', suspect.title)} ${look.paint('faint', `(${suspect.id})`)}`,
    );
    for (const reason of suspect.because) lines.push(`  ${look.paint('faint', look.glyphs.because)} ${printableLine(reason)}`);
    lines.push(`  ${suspect.means}`, `  ${look.paint('dim', 'do:')} ${suspect.fix}`, `  ${look.paint('dim', 'proof:')} ${suspect.proof}`);
  }
  if (suspects.length > TOLD) {
    lines.push(
      '',
      `${look.paint('dim', 'also:')} ${suspects
        .slice(TOLD)
        .map(({ title, certainty }) => `${title} (${certainty})`)
        .join('; ')}`,
    );
  }
  for (const quirk of quirks) lines.push('', `${look.paint('dim', 'quirk of its firmware:')} ${quirk.name} (${quirk.source})`);
  return lines.join('\n');
}
