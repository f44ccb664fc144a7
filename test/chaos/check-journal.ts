/** Judges what really ran, by the stamps of its own hands, against what the database says about it. PURE. */
import type { History } from './history.js';
import type { Stamp } from './worker/journal.js';

/** One turn of a jig, or one piece of work in an agent's hands. `from` and `to`: its first and last act. */
export type Turn = { run: number; fence: number; noderole: number; key: string; pid: number; agent: boolean; from: bigint; to: bigint; stamps: Stamp[] };

/** The turns, by what they exclude and in the order of their begin. A turn that never acted is none. */
export function turnsOf(stamps: Stamp[]): Turn[] {
  const turns: Turn[] = [];
  const open = new Map<string, Turn>();
  for (const stamp of [...stamps].sort((a, b) => (BigInt(a.at) < BigInt(b.at) ? -1 : 1))) {
    const at = BigInt(stamp.at);
    const name = `${stamp.pid} ${stamp.run} ${stamp.fence} ${stamp.agent === true}`;
    if (stamp.kind === 'begin') {
      const turn: Turn = {
        run: stamp.run,
        fence: stamp.fence,
        noderole: stamp.noderole,
        key: stamp.key,
        pid: stamp.pid,
        agent: stamp.agent === true,
        from: at,
        to: at,
        stamps: [stamp],
      };
      open.set(name, turn);
      turns.push(turn);
      continue;
    }
    const turn = open.get(name);
    turn?.stamps.push(stamp);
    if (turn !== undefined && stamp.kind !== 'gave-up') turn.to = at;
  }
  return turns;
}

const nameOf = (turn: Turn) => `run ${turn.run} (fence ${turn.fence}, ${turn.agent ? 'agent' : `pid ${turn.pid}`})`;
const ms = (from: bigint, to: bigint) => `${Number((to - from) / 10_000n) / 100} ms`;

export function checkJournal(history: History): string[] {
  const turns = turnsOf(history.stamps);
  return [...overlaps(turns), ...brokenHolds(turns), ...doubleStarts(turns), ...unsupported(turns, history)];
}

/** No two turns act on one machine in each other's time (rule 1). */
function overlaps(turns: Turn[]): string[] {
  const found: string[] = [];
  for (const group of byKey(turns)) {
    let last: Turn | undefined;
    for (const turn of group) {
      if (last !== undefined && turn.from <= last.to)
        found.push(`double run on ${turn.key}: ${nameOf(turn)} began ${ms(turn.from, last.to)} before the last act of ${nameOf(last)}`);
      if (last === undefined || turn.to > last.to) last = turn;
    }
  }
  return found;
}

/** A run that waits and keeps its machine is there alone until it goes on. */
function brokenHolds(turns: Turn[]): string[] {
  const found: string[] = [];
  for (const group of byKey(turns)) {
    group.forEach((turn, at) => {
      const waited = turn.stamps.find((stamp) => stamp.kind === 'wait');
      if (waited?.keeps !== 'node') return;
      const next = group.findIndex((other, index) => index > at && other.run === turn.run && !other.agent);
      // One that never went on was stopped or lost its machine meanwhile: then its slot was given back.
      if (next === -1) return;
      for (const other of group.slice(at + 1, next))
        if (other.run !== turn.run) found.push(`${nameOf(other)} was on ${turn.key} while run ${turn.run} waited and kept it`);
    });
  }
  return found;
}

/** One fence, one turn (rule 4). An agent may be given the same work again by the same boot. */
function doubleStarts(turns: Turn[]): string[] {
  const seen = new Map<string, Turn>();
  const found: string[] = [];
  for (const turn of turns.filter((candidate) => !candidate.agent)) {
    const name = `${turn.run} ${turn.fence}`;
    const first = seen.get(name);
    if (first !== undefined) found.push(`fence ${turn.fence} of run ${turn.run} started twice: pid ${first.pid} and pid ${turn.pid}`);
    seen.set(name, turn);
  }
  return found;
}

/** Every success was earned: the turn that held the run's last fence said that it was done. And every turn is of a run. */
function unsupported(turns: Turn[], history: History): string[] {
  const byTurn = new Map(turns.filter((turn) => !turn.agent).map((turn) => [`${turn.run} ${turn.fence}`, turn]));
  const found: string[] = [];
  const known = new Map(history.runs.map((run) => [run.id, run]));
  for (const run of history.runs) {
    if (run.outcome !== 'succeeded') continue;
    const turn = byTurn.get(`${run.id} ${run.fence}`);
    if (turn?.stamps.at(-1)?.kind !== 'done') found.push(`run ${run.id} succeeded, but no turn with its fence ${run.fence} was done`);
  }
  // Runs go with their noderoles when those are unbound; noderole 0 is an agent's stamp.
  const alive = new Set(history.noderoles.map((row) => row.id));
  for (const turn of turns) {
    const run = known.get(turn.run);
    if (run === undefined && alive.has(turn.noderole)) found.push(`${nameOf(turn)} is of no run`);
    if (run !== undefined && turn.fence > run.fence) found.push(`${nameOf(turn)} held a fence above the run's ${run.fence}`);
  }
  return found;
}

function byKey(turns: Turn[]): Turn[][] {
  const groups = new Map<string, Turn[]>();
  for (const turn of turns) groups.set(turn.key, [...(groups.get(turn.key) ?? []), turn]);
  return [...groups.values()];
}
