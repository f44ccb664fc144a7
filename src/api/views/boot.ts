/** Boot timelines as the API shows them. */
import { splitAttempts } from '../../bootwatch/attempts.js';
import { diagnose } from '../../bootwatch/diagnose.js';
import { presentBoot } from '../../bootwatch/evidence.js';
import { gatherEvidence } from '../../bootwatch/gather.js';
import { quirksSeen } from '../../bootwatch/quirks-seen.js';
import { describeStep, stageName, type BootStep } from '../../bootwatch/steps.js';
import { byTime, countSteps, listUnknown, readSteps, type Whose } from '../../bootwatch/timeline.js';
import type { Db } from '../../db/client.js';
import { NotFoundError } from '../../shared/errors.js';
import type * as b from '../boot-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import type { Page } from '../schemas.js';
import { objectOf } from './json.js';

type TimelineQuery = { limit: number; after?: string | undefined; since?: string | undefined };

/** One page of a timeline. A MAC that was never heard is not found. */
export async function readBootTimeline(db: Db, whose: Whose, node: { id: number; name: string } | null, query: TimelineQuery): Promise<b.BootTimeline> {
  const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
  const since = query.since === undefined ? undefined : /^\d+$/.test(query.since) ? Number(query.since) : new Date(query.since);
  const [read, total] = await Promise.all([
    readSteps(db.pool, whose, { limit: take, before: query.after === undefined ? undefined : afterId, since }),
    countSteps(db.pool, whose),
  ]);
  if (total === 0 && 'mac' in whose) throw new NotFoundError('machine', whose.mac);
  // Read one more than asked: its presence says that there is another page, before or after.
  const steps = since === undefined ? read.slice(-query.limit) : read.slice(0, query.limit);
  const shown = byTime(steps);
  const hasOlder = since === undefined && read.length > query.limit;
  return {
    node,
    items: shown.map(viewStep),
    next: hasOlder ? String(steps[0]?.id ?? 0) : null,
    total,
    present_from: query.after === undefined ? (splitAttempts(shown).at(-1)?.steps[0]?.id ?? null) : null,
  };
}

/** Machines that are no node, the last heard first. */
export async function readUnknown(db: Db, query: { limit: number; after?: string | undefined; q?: string | undefined }): Promise<Page<b.UnknownMachine>> {
  const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
  const { machines, total } = await listUnknown(db.pool, { limit: take, before: query.after === undefined ? undefined : afterId, search: query.q });
  return toPage({
    rows: machines,
    limit: query.limit,
    total,
    cursor: (machine) => machine.last.id,
    view: (machine) => ({ mac: machine.mac, steps: machine.steps, first_at: machine.firstAt.toISOString(), last: viewStep(machine.last) }),
  });
}

/** What the doctor says of a machine now. A MAC that was never heard is not found. */
export async function readDiagnosis(db: Db, whose: Whose, node: { id: number; name: string } | null): Promise<b.BootDoctor> {
  const evidence = await gatherEvidence(db, whose);
  if (evidence.attempts.length === 0 && 'mac' in whose) throw new NotFoundError('machine', whose.mac);
  const { verdict, reached, silentSeconds, suspects } = diagnose(evidence);
  const last = presentBoot(evidence).steps.at(-1);
  return {
    node,
    mac: evidence.mac,
    verdict,
    reached: stageName(reached),
    silent_seconds: silentSeconds,
    last: last === undefined ? null : viewStep(last),
    suspects: suspects.map((suspect) => ({ ...suspect, because: [...suspect.because] })),
    quirks: quirksSeen(evidence),
  };
}

export function viewStep(step: BootStep): b.BootStep {
  const { id, mac, at, kind, text, facts } = step;
  return { id, mac, at: at.toISOString(), kind, ...describeStep(step), text, facts: objectOf(facts) };
}
