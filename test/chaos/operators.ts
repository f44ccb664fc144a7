/** Operators: what the schedule says, asked of the real API. Remembers what the API has confirmed: that must never be lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, ClientError, type Client } from '../../src/client/client.js';
import type { Queryable } from '../../src/db/client.js';
import type { Deed } from './schedule.js';
import type { Site } from './site.js';

export type Confirmed = { kind: Deed['kind']; id: number; revision?: number };

type Found = { id: number };

const STANDSTILL_MS = 2500;

export class Operators {
  readonly confirmed: Confirmed[] = [];
  /** Answers by status and code; 0 when none came. */
  readonly answers = new Map<string, number>();
  /** Noderoles that the API said were made, less those it said were removed (or that it may have removed). */
  readonly bound = new Set<number>();
  private v = 1;
  readonly client: Client;

  constructor(
    address: { baseUrl: string; token: string },
    private readonly db: Queryable,
    private readonly site: Site,
  ) {
    this.client = createClient({ ...address, timeoutMs: 15_000 });
  }

  async perform(deed: Deed): Promise<void> {
    try {
      await this.act(deed);
      this.count('confirmed');
    } catch (error) {
      if (error instanceof ClientError) this.count(error.status === 0 ? error.code : `${error.status} ${error.code}`);
      else this.count(error instanceof Error ? error.message.slice(0, 60) : String(error));
    }
  }

  /** Binds the leaf role to a node and remembers what that made. */
  async bind(node: number): Promise<void> {
    const { noderole, created } = await this.client.nodeRoles.bind({ role: this.site.leafRole, node: String(node) });
    for (const id of [noderole.id, ...created]) this.bound.add(id);
  }

  private async act({ kind, at }: Deed): Promise<void> {
    const deployment = this.site.deployments[at % this.site.deployments.length] ?? 0;
    switch (kind) {
      case 'commit': {
        const { revision } = await this.client.deployments.commit(deployment);
        this.confirmed.push({ kind, id: deployment, revision });
        return;
      }
      case 'data': {
        const id = await this.one(`ro.name <> 'brittle' AND n.kind = 'machine'`, at);
        if (id !== null) await this.client.nodeRoles.setData(id, { v: ++this.v });
        return;
      }
      case 'pair-data': {
        const { rows } = await this.db.query<Found>(
          `SELECT dr.id FROM deployment_roles dr JOIN roles ro ON ro.id = dr.role_id WHERE dr.deployment_id = $1 AND ro.barclamp = 'chaos' ORDER BY dr.id`,
          [deployment],
        );
        const row = rows[at % Math.max(1, rows.length)];
        if (row !== undefined) await this.client.deploymentRoles.setData(row.id, { v: ++this.v });
        return;
      }
      case 'cancel':
      case 'retry':
      case 'repropose': {
        const id = await this.one({ cancel: `nr.state = 'TRANSITION'`, retry: `nr.state = 'ERROR'`, repropose: `n.kind = 'machine'` }[kind], at);
        if (id === null) return;
        await this.client.nodeRoles[kind === 'repropose' ? 'propose' : kind](id);
        this.confirmed.push({ kind, id });
        return;
      }
      // Both for a while only: a deployment that stands still shows nothing.
      case 'recall':
        await this.client.deployments.recall(deployment);
        await sleep(STANDSTILL_MS);
        return this.act({ kind: 'commit', at });
      case 'pause':
        await this.client.deployments.update(deployment, { paused: true });
        await sleep(STANDSTILL_MS);
        await this.client.deployments.update(deployment, { paused: false });
        return;
      case 'rebind':
        return this.rebind(at);
      case 'redeploy': {
        const id = await this.one(`'destructive' = ANY(ro.flags)`, at);
        if (id !== null) await this.client.nodeRoles.redeploy(id);
        return;
      }
      case 'rerun': {
        const id = await this.one(`n.kind = 'machine' AND ro.name <> 'brittle'`, at);
        if (id !== null) await this.client.nodeRoles.rerun(id);
        return;
      }
    }
  }

  /** Takes the leaf off a machine and puts it on again. */
  private async rebind(at: number): Promise<void> {
    const id = await this.one(`ro.name = '${this.site.leafRole}'`, at);
    if (id === null) return;
    const { rows } = await this.db.query<{ node_id: number }>('SELECT node_id FROM node_roles WHERE id = $1', [id]);
    await this.client.nodeRoles.propose(id);
    // Asked for is enough: the answer may be lost after it was done.
    this.bound.delete(id);
    await this.client.nodeRoles.unbind(id);
    await this.bind(rows[0]?.node_id ?? 0);
  }

  private async one(where: string, at: number): Promise<number | null> {
    const { rows } = await this.db.query<Found>(
      `SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id WHERE nr.deployment_id = ANY($1) AND ${where} ORDER BY nr.id`,
      [this.site.deployments],
    );
    return rows[at % Math.max(1, rows.length)]?.id ?? null;
  }

  private count(answer: string): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }
}
