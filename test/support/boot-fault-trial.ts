/** Runs faults against one site, all at once, and says for each what the doctor named. */
import { waitFor } from './wait-for.js';
import type { Fault } from './boot-faults.js';
import { openFaultSite, type FaultSite } from './fault-site.js';

export type Trial = { what: string; wanted: string | null; named: string | null; certainty: string; others: string };

/** Every machine is stopped as soon as enough was seen of it; an operator asks three minutes later. */
export async function tryFaults(faults: readonly Fault[]): Promise<Trial[]> {
  const site = await openFaultSite();
  try {
    return await Promise.all(faults.map((fault, index) => tryFault(site, fault, 10 + 2 * index)));
  } finally {
    await site.close();
  }
}

async function tryFault(site: FaultSite, fault: Fault, number: number): Promise<Trial> {
  const subject = await site.machine({ ...fault.wish, number });
  const twin = fault.twin === undefined ? undefined : await site.machine({ ...fault.twin, number });
  await fault.before?.(site, subject);
  await site.served();
  subject.machine.start();
  twin?.machine.start();
  let last = '';
  await waitFor(
    async () => {
      const steps = await subject.steps();
      last = steps.map((step) => step.kind).join(' ');
      return fault.until(steps);
    },
    { what: `${fault.what} to show`, timeoutMs: fault.isSlow === true ? 60_000 : 15_000 },
  ).catch((error: unknown) => {
    throw new Error(`${fault.what}: seen so far: ${last}; the machine: ${JSON.stringify(subject.machine.status)}`, { cause: error });
  });
  await subject.machine.close();
  await twin?.machine.close();
  if (process.env['SHOW_STEPS'] === '1')
    process.stderr.write(`${fault.what}: ${(await subject.steps()).map((step) => `${step.kind} ${JSON.stringify(step.facts)} ${step.text}`).join('\n   ')}\n`);
  const [first, ...others] = (await site.ask(subject, fault.later ?? 180)).suspects;
  return {
    what: fault.what,
    wanted: fault.cause,
    named: first?.id ?? null,
    certainty: first?.certainty ?? '',
    others: others.map(({ id, certainty }) => `${id} (${certainty})`).join(', '),
  };
}

/** The table for people. */
export function trialTable(trials: readonly Trial[]): string {
  return trials
    .map(
      ({ what, wanted, named, certainty, others }) =>
        `${wanted === named ? 'right' : 'WRONG'}  ${what.padEnd(52)} ${named ?? 'nothing'} ${certainty}${others === '' ? '' : `; also ${others}`}`,
    )
    .join('\n');
}

export const isRight = ({ wanted, named }: Trial) => wanted === named;
/** Named wrong, and sure of it: what must never happen. */
export const isWrongWithCertainty = (trial: Trial) => !isRight(trial) && trial.certainty === 'certain';
