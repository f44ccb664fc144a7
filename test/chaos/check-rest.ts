/** Judges where it all ended: nothing stuck, nothing lost, every counter what it should be, every wall where it was left. PURE. */
import type { History } from './history.js';
import { turnsOf } from './check-journal.js';

export function checkRest(history: History): string[] {
  return [...atRest(history), ...counters(history), ...lost(history), ...walls(history), ...destinations(history), ...history.seenLive];
}

function atRest({ runs, left, oddLogs, noderoles }: History): string[] {
  const live = runs.filter((run) => run.status !== 'ENDED').map((run) => `run ${run.id} of noderole ${run.noderole} is still ${run.status}`);
  const leftOver = Object.entries(left).flatMap(([what, n]) => (n > 0 ? [`${n} ${what} are left`] : []));
  const deciding = noderoles.filter((row) => row.state === 'TRANSITION' && !runs.some((run) => run.noderole === row.id && run.status !== 'ENDED'));
  return [
    ...live,
    ...leftOver,
    ...deciding.map((row) => `noderole ${row.id} (${row.name}) is TRANSITION without a live run`),
    ...oddLogs.map(({ run, what }) => `log of run ${run}: ${what}`),
  ];
}

function counters({ noderoles, edges }: History): string[] {
  const byId = new Map(noderoles.map((row) => [row.id, row]));
  const truth = new Map<number, number>();
  for (const [parent, child] of edges) {
    const row = byId.get(parent);
    if (row !== undefined && row.committed && row.state !== 'ACTIVE') truth.set(child, (truth.get(child) ?? 0) + 1);
  }
  return noderoles
    .filter((row) => row.pending !== (truth.get(row.id) ?? 0))
    .map((row) => `counter of noderole ${row.id} (${row.name}): ${row.pending} is not ${truth.get(row.id) ?? 0}`);
}

/** What the API confirmed is there: noderoles, and each commit with its revision. */
function lost({ noderoles, bound, commits, revisions }: History): string[] {
  const alive = new Set(noderoles.map((row) => row.id));
  const found = bound.filter((id) => !alive.has(id)).map((id) => `lost noderole ${id}: the API had confirmed it`);
  for (const { id, revision, commits: recorded } of revisions) {
    const confirmed = commits.filter((commit) => commit.id === id).map((commit) => commit.revision);
    if (new Set(confirmed).size !== confirmed.length) found.push(`deployment ${id}: a revision was given to two commits`);
    if (confirmed.some((one) => one > revision)) found.push(`deployment ${id}: revision ${Math.max(...confirmed)} was confirmed, it has ${revision}`);
    if (recorded !== revision) found.push(`deployment ${id}: ${recorded} commits are recorded, its revision is ${revision}`);
  }
  return found;
}

/** The last settled success of a noderole that left a wall: that wall is there. Read from the journal, not from rows. */
function walls({ noderoles, runs, stamps }: History): string[] {
  const left = new Map<string, unknown>();
  for (const turn of turnsOf(stamps)) {
    const done = turn.stamps.find((stamp) => stamp.kind === 'done');
    if (!turn.agent && done?.wall !== undefined) left.set(`${turn.run} ${turn.fence}`, done.wall);
  }
  const wanted = new Map<number, { run: number; wall: unknown }>();
  for (const run of runs) {
    const wall = left.get(`${run.id} ${run.fence}`);
    if (run.outcome === 'succeeded' && wall !== undefined) wanted.set(run.noderole, { run: run.id, wall });
  }
  return noderoles.flatMap((row) => {
    const last = wanted.get(row.id);
    if (last === undefined || canonical(JSON.parse(row.wall)) === canonical(last.wall)) return [];
    return [`lost wall of noderole ${row.id} (${row.name}): run ${last.run} left ${canonical(last.wall)}, it is ${row.wall}`];
  });
}

/** Everything is ACTIVE, but what was told to fail, and what stands below that. */
function destinations({ noderoles, edges, told }: History): string[] {
  const failing = new Set(told);
  const below = new Set(told);
  const children = new Map<number, number[]>();
  for (const [parent, child] of edges) children.set(parent, [...(children.get(parent) ?? []), child]);
  const open = [...told];
  for (let id = open.pop(); id !== undefined; id = open.pop())
    for (const child of children.get(id) ?? []) if (!below.has(child)) open.push((below.add(child), child));
  return noderoles.flatMap((row) => {
    const wanted = failing.has(row.id) ? 'ERROR' : below.has(row.id) ? 'BLOCKED' : 'ACTIVE';
    // A parent that is told to fail may itself be below another.
    if (row.state === wanted || (wanted === 'ERROR' && row.state === 'BLOCKED')) return [];
    return [`noderole ${row.id} (${row.name}) is ${row.state}${row.errorCode === null ? '' : ` (${row.errorCode})`}, it should be ${wanted}`];
  });
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
