/**
 * What really ran, written beside the database: every turn of a jig appends its stamps to a file of its process. A stamp
 * carries CLOCK_MONOTONIC, which all processes of a machine share. Stamps of doing something (begin, act, done) are made
 * only while the executor says that the machine is still its own, as a command to a machine would be (engine-rules 1).
 */
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Jig, JigContext, JigOutcome, JigRegistry } from '../../../src/jigs/contract.js';

/** `at`: nanoseconds of CLOCK_MONOTONIC as decimal text. `told`: what a turn that is over left. */
export type Stamp = {
  kind: 'begin' | 'act' | 'wait' | 'fail' | 'done' | 'gave-up';
  run: number;
  fence: number;
  noderole: number;
  node: number;
  /** What excludes another turn: the machine, or the role on an admin or phantom node. */
  key: string;
  pid: number;
  at: string;
  wall?: unknown;
  /** Of a wait: what it keeps. */
  keeps?: 'node' | 'nothing';
  /** Made by a machine's agent and not by a worker. */
  agent?: true;
};

const ACT_EVERY_MS = 25;

/** Wraps each jig so that its turns are journaled in `folder`. */
export function journaled(jigs: JigRegistry, folder: string): JigRegistry {
  const file = openSync(path.join(folder, `${process.pid}-${process.hrtime.bigint()}.ndjson`), 'a');
  const write = (stamp: Omit<Stamp, 'pid' | 'at'>) =>
    void writeSync(file, `${JSON.stringify({ ...stamp, pid: process.pid, at: String(process.hrtime.bigint()) } satisfies Stamp)}\n`);
  return new Map([...jigs].map(([name, jig]) => [name, { ...jig, run: (ctx) => turn(jig, ctx, write) }]));
}

async function turn(jig: Jig, ctx: JigContext, write: (stamp: Omit<Stamp, 'pid' | 'at'>) => void): Promise<JigOutcome> {
  const who = {
    run: ctx.run.id,
    fence: ctx.run.fence,
    noderole: ctx.noderole.id,
    node: ctx.node.id,
    key: ctx.node.kind === 'machine' ? String(ctx.node.id) : `${ctx.node.id}:${ctx.role.name}`,
  };
  const giveUp = (): never => {
    write({ kind: 'gave-up', ...who });
    throw new Error('the machine is no longer ours');
  };
  if (!ctx.mayAct()) giveUp();
  write({ kind: 'begin', ...who });
  ctx.log(`turn ${ctx.run.fence} of run ${ctx.run.id}`);
  const acting = setInterval(() => {
    if (ctx.mayAct()) write({ kind: 'act', ...who });
  }, ACT_EVERY_MS);
  try {
    const outcome = await jig.run(ctx);
    if (!ctx.mayAct()) giveUp();
    if (outcome.kind === 'done') write({ kind: 'done', ...who, ...(outcome.wall === undefined ? {} : { wall: outcome.wall }) });
    else if (outcome.kind === 'timer') write({ kind: 'wait', ...who, keeps: 'nothing' });
    else write({ kind: outcome.kind, ...who, ...(outcome.kind === 'wait' ? { keeps: outcome.keeps } : {}) });
    return outcome;
  } catch (error) {
    if (ctx.signal.aborted) write({ kind: 'gave-up', ...who });
    throw error;
  } finally {
    clearInterval(acting);
  }
}
