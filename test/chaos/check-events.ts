/** Judges the events: each noderole's history without a gap, each run's end once, order along the edges, the stream without holes. PURE. */
import type { EventSeen, History } from './history.js';

/** What the table allows, from -> to. */
const ALLOWED: Record<string, string[]> = {
  NONE: ['PROPOSED'],
  PROPOSED: ['TODO', 'BLOCKED', 'NONE'],
  BLOCKED: ['TODO', 'PROPOSED', 'NONE'],
  TODO: ['TRANSITION', 'BLOCKED', 'PROPOSED', 'NONE'],
  TRANSITION: ['ACTIVE', 'ERROR', 'TODO', 'BLOCKED', 'PROPOSED'],
  ACTIVE: ['TODO', 'BLOCKED', 'PROPOSED', 'NONE'],
  ERROR: ['TODO', 'BLOCKED', 'PROPOSED', 'NONE'],
};

export function checkEvents(history: History): string[] {
  return [...checkLives(history), ...checkEnds(history), ...checkOrder(history), ...checkStream(history), ...alarms(history)];
}

/** From event to event each noderole goes on where it was, its versions rise, and the last says what it is. */
function checkLives(history: History): string[] {
  const found: string[] = [];
  const lives = new Map<number, { state: string; version: number }>();
  for (const event of history.events) {
    if (event.kind !== 'noderole-changed') continue;
    const { from, to } = event.data as { from: string; to: string };
    const before = lives.get(event.id);
    const was = before?.state ?? 'NONE';
    if (from !== was) found.push(`history of noderole ${event.id}: at pos ${event.pos} it left ${from}, but it was ${was}`);
    if (!ALLOWED[from]?.includes(to)) found.push(`history of noderole ${event.id}: at pos ${event.pos} it went ${from} -> ${to}, which the table has not`);
    if (before !== undefined && event.version <= before.version)
      found.push(`history of noderole ${event.id}: at pos ${event.pos} its version ${event.version} came after ${before.version}`);
    lives.set(event.id, { state: to, version: event.version });
  }
  for (const row of history.noderoles) {
    const last = lives.get(row.id);
    if (last?.state !== row.state) found.push(`noderole ${row.id} is ${row.state}, its last event says ${last?.state ?? 'nothing'}`);
    if (last !== undefined && last.version > row.version) found.push(`noderole ${row.id} has version ${row.version}, an event had ${last.version}`);
  }
  const alive = new Set(history.noderoles.map((row) => row.id));
  for (const [id, life] of lives)
    if (life.state !== 'NONE' && !alive.has(id)) found.push(`lost noderole ${id}: its last event says ${life.state}, and it is gone`);
  return found;
}

/** Each run that ended has one end record, with its outcome; no other has any. */
function checkEnds(history: History): string[] {
  const ends = new Map<number, EventSeen[]>();
  for (const event of history.events) if (event.kind === 'run-ended') ends.set(event.id, [...(ends.get(event.id) ?? []), event]);
  return history.runs.flatMap((run) => {
    const records = ends.get(run.id) ?? [];
    const wanted = run.status === 'ENDED' ? 1 : 0;
    if (records.length !== wanted) return [`run ${run.id} is ${run.status} with ${records.length} end records`];
    const told = records[0]?.data.outcome;
    return wanted === 1 && told !== run.outcome ? [`run ${run.id} ended ${run.outcome}, its end record says ${String(told)}`] : [];
  });
}

/** Nothing is claimed and nothing becomes ACTIVE while more committed parents than its slack are not ACTIVE. */
function checkOrder(history: History): string[] {
  const parents = new Map<number, number[]>();
  for (const [parent, child] of history.edges) parents.set(child, [...(parents.get(child) ?? []), parent]);
  // A barrier's slack and members change as members come and go; its history is not read from its last edges.
  const skip = new Set(history.noderoles.filter((row) => row.barrier).map((row) => row.id));
  const states = new Map<number, string>();
  const committed = new Set<number>();
  const found: string[] = [];
  for (const event of history.events) {
    if (event.kind !== 'noderole-changed') continue;
    const { from, to } = event.data as { from: string; to: string };
    states.set(event.id, to);
    if (from === 'PROPOSED') committed.add(event.id);
    if ((to !== 'TRANSITION' && to !== 'ACTIVE') || skip.has(event.id)) continue;
    const open = (parents.get(event.id) ?? []).filter((parent) => committed.has(parent) && states.get(parent) !== 'ACTIVE');
    if (open.length > 0) found.push(`order: noderole ${event.id} became ${to} at pos ${event.pos} while its parent ${open[0]} was ${states.get(open[0] ?? 0)}`);
  }
  return found;
}

/** The follower was given every event after the position it began at, each once, in order. */
function checkStream({ events, stream }: History): string[] {
  const wanted = events.filter((event) => event.pos !== null && event.pos > stream.from).map((event) => `${event.pos}.${event.n}`);
  const found: string[] = [];
  if (stream.resets > 0) found.push(`stream: it was reset ${stream.resets} times, though nothing was removed`);
  for (let at = 0; at < Math.max(wanted.length, stream.ids.length); at++) {
    if (wanted[at] === stream.ids[at]) continue;
    found.push(
      `stream: event number ${at} should be ${wanted[at] ?? 'none'}, it was ${stream.ids[at] ?? 'none'} (${stream.ids.length} of ${wanted.length} came)`,
    );
    break;
  }
  const positions = [...new Set(events.map((event) => event.pos).filter((pos) => pos !== null))];
  const hole = positions.findIndex((pos, at) => at > 0 && pos !== (positions[at - 1] ?? 0) + 1);
  if (hole !== -1) found.push(`positions: ${positions[hole]} follows ${positions[hole - 1]}`);
  return found;
}

/** Repairs that should never be needed tell so themselves. */
function alarms({ events }: History): string[] {
  return events
    .filter((event) => event.kind === 'alarm' && ['drift', 'counter-drift'].includes(String(event.data.code)))
    .map((event) => `alarm at pos ${event.pos}: ${String(event.data.code)}: ${String(event.data.message)}`);
}
