/**
 * The machines: a heartbeat and an agent each, kept by the harness over its own connection. An agent is a supervisor: it
 * holds one piece of work, stops it when it is taken back, and dies with its boot. What it does is journaled like a jig.
 */
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withTransaction, type Db } from '../../src/db/client.js';
import { recordBoot, recordHeartbeat } from '../../src/nodes/boot.js';
import { finishWork, pollWork, renewWork, type WorkOffer } from '../../src/runs/agent-work.js';
import { AppError } from '../../src/shared/errors.js';
import type { Random } from '../support/random.js';
import type { Stamp } from './worker/journal.js';

type Machine = { id: number; boot: number; unpluggedUntil: number; busy: boolean };

const BEAT_MS = 1000;
const POLL_MS = 300;
const WORK_MS = 300;

export class Machines {
  private readonly machines: Map<number, Machine>;
  private readonly file: number;
  private isOpen = true;
  private loops: Promise<void>[] = [];
  /** What machines said to the database and could not, by message. */
  readonly troubles = new Map<string, number>();

  constructor(
    private readonly db: Db,
    nodes: number[],
    journalFolder: string,
  ) {
    this.machines = new Map(nodes.map((id) => [id, { id, boot: 1, unpluggedUntil: 0, busy: false }]));
    this.file = openSync(path.join(journalFolder, 'agents.ndjson'), 'a');
  }

  async start(): Promise<void> {
    for (const machine of this.machines.values()) await this.report(machine);
    this.loops = [this.loop(BEAT_MS, () => this.beat()), this.loop(POLL_MS, () => this.poll())];
  }

  async close(): Promise<void> {
    this.isOpen = false;
    await Promise.all(this.loops);
  }

  /** Boots `count` of them anew: what their agents were doing is gone with the boot. */
  reboot(count: number, random: Random): void {
    for (const machine of this.some(count, random)) {
      machine.boot++;
      machine.unpluggedUntil = 0;
      void this.persist(machine, () => this.report(machine));
    }
  }

  /** Cuts them off; their agents go on with what they have. */
  unplug(count: number, forMs: number, random: Random): void {
    for (const machine of this.some(count, random)) machine.unpluggedUntil = Date.now() + forMs;
  }

  private some(count: number, random: Random): Machine[] {
    const all = [...this.machines.values()];
    return Array.from({ length: count }, () => all[random.below(all.length)]);
  }

  private report(machine: Machine): Promise<unknown> {
    return withTransaction(this.db.pool, (tx) =>
      recordBoot(tx, { nodeId: machine.id, bootId: bootId(machine), bootClass: 'discovery', bootenv: 'discovery', address: null }),
    );
  }

  /** Tried until it is heard or the machine has booted again. */
  private async persist(machine: Machine, say: () => Promise<unknown>): Promise<void> {
    const { boot } = machine;
    while (this.isOpen && machine.boot === boot) {
      try {
        await say();
        return;
      } catch (error) {
        this.note(error);
        await sleep(500);
      }
    }
  }

  private async beat(): Promise<void> {
    const heard = [...this.machines.values()].filter((machine) => machine.unpluggedUntil < Date.now());
    await this.db.pool.query(
      `UPDATE node_status s SET heartbeat_at = clock_timestamp() FROM unnest($1::int[], $2::text[]) AS m(id, boot) WHERE s.node_id = m.id AND s.boot_id = m.boot`,
      [heard.map((machine) => machine.id), heard.map(bootId)],
    );
    const { rows } = await this.db.pool.query<{ id: number }>(`SELECT id FROM nodes WHERE kind = 'machine' AND NOT alive AND NOT deleting`);
    for (const { id } of rows) {
      const machine = this.machines.get(id);
      if (machine !== undefined && machine.unpluggedUntil < Date.now()) await this.revive(machine);
    }
  }

  private async revive(machine: Machine): Promise<void> {
    if (!(await recordHeartbeat(this.db, machine.id, bootId(machine)))) await this.report(machine);
  }

  private async poll(): Promise<void> {
    const { rows } = await this.db.pool.query<{ node_id: number }>(`SELECT DISTINCT node_id FROM agent_work WHERE status IN ('offered', 'revoked', 'taken')`);
    for (const { node_id } of rows) {
      const machine = this.machines.get(node_id);
      if (machine === undefined || machine.busy || machine.unpluggedUntil > Date.now()) continue;
      const work = await pollWork(this.db, { nodeId: machine.id, bootId: bootId(machine) });
      if (work !== null) void this.work(machine, work);
    }
  }

  private async work(machine: Machine, work: WorkOffer): Promise<void> {
    const { boot } = machine;
    const isMine = () => machine.boot === boot;
    const stamp = (kind: Stamp['kind'], wall?: unknown) =>
      this.stamp({ kind, run: work.runId, fence: work.fence, noderole: 0, node: machine.id, key: String(machine.id), ...(wall === undefined ? {} : { wall }) });
    machine.busy = true;
    const id = { nodeId: machine.id, runId: work.runId, fence: work.fence };
    stamp('begin');
    for (let n = 0; n < 4; n++) {
      await sleep(WORK_MS / 4);
      if (!isMine()) return void (machine.busy = false);
      stamp('act');
    }
    const isStill = await renewWork(this.db, id).then(
      () => true,
      // Told to stop; a database that does not answer is no such word: the lease is not over yet.
      (error: unknown) => !(error instanceof AppError),
    );
    if (isMine() && isStill) {
      stamp('done', { script: work.runId });
      await this.persist(machine, async () => {
        while (machine.unpluggedUntil > Date.now() && isMine()) await sleep(100);
        if (isMine()) await finishWork(this.db, { ...id, exitStatus: 0, wall: { script: work.runId } });
      });
    }
    machine.busy = false;
  }

  private stamp(stamp: Omit<Stamp, 'pid' | 'at'>): void {
    writeSync(this.file, `${JSON.stringify({ ...stamp, agent: true, pid: process.pid, at: String(process.hrtime.bigint()) })}\n`);
  }

  private note(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.troubles.set(message, (this.troubles.get(message) ?? 0) + 1);
  }

  private async loop(everyMs: number, work: () => Promise<void>): Promise<void> {
    while (this.isOpen) {
      await work().catch((error: unknown) => this.note(error));
      await sleep(everyMs);
    }
  }
}

const bootId = (machine: Machine) => `boot-${machine.id}-${machine.boot}`;
