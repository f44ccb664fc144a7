/** Enrolment and the demo deployment through the real API. The nodes are rows: nothing has to boot to be bound. */
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it, expect } from '@jest/globals';
import type { Node } from '../../../src/api/schemas.js';
import { createClient, type Client } from '../../../src/client/client.js';
import { secretsOf } from '../../../src/power/secrets.js';
import { loadBarclamps } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { ensureDemo } from '../../../src/simulator/demo.js';
import { enrolNodes } from '../../../src/simulator/enrol.js';
import type { DemoStep, RackEvent } from '../../../src/simulator/rack-events.js';
import { Rack } from '../../../src/simulator/rack.js';
import { waitFor } from '../../support/wait-for.js';
import { startApi, type ApiFixture } from '../api/api-fixture.js';

const NOBODY = { host: '127.0.0.1', dhcpPort: 9, tftpPort: 9 };
const NEVER = new AbortController().signal;

let fixture: ApiFixture;
let client: Client;
let home: string;
let rack: Rack;
let events: RackEvent[];

beforeEach(async () => {
  fixture = await startApi({ secrets: secretsOf(randomBytes(32)) });
  await importBarclamps(fixture.db.pool, await loadBarclamps(fileURLToPath(new URL('../../../src/roles/catalog', import.meta.url))));
  client = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin });
  home = await mkdtemp(path.join(tmpdir(), 'rack-'));
  events = [];
  rack = await openRack();
});

afterEach(async () => {
  await rack.close();
  await fixture.close();
  await rm(home, { recursive: true });
});

const openRack = () => Rack.open({ nodes: 3, home, servers: NOBODY, emit: (event) => events.push(event) });

/** The node a machine would have become. Names are in another order than serials, as in a real rack. */
async function discover(serial: string, name: string, alive: boolean): Promise<void> {
  const { rows } = await fixture.db.pool.query<{ id: number }>(
    `INSERT INTO nodes (name, serial, alive, deployment_id) SELECT $1, $2, $3, id FROM deployments WHERE system RETURNING id`,
    [name, serial, alive],
  );
  await fixture.db.pool.query('INSERT INTO node_status (node_id) VALUES ($1)', [rows[0]?.id]);
}

async function discoverAll(): Promise<void> {
  await discover('SIM0002', 'a.test', true);
  await discover('SIM0001', 'b.test', true);
  await discover('SIM0003', 'c.test', true);
  await discover('OTHER', 'd.test', true);
}

/** Enrols until the rack is complete; the nodes it was called with. */
async function enrol(): Promise<Node[]> {
  const over = new AbortController();
  let nodes: Node[] = [];
  await enrolNodes(
    client,
    rack,
    (event) => events.push(event),
    (complete) => ((nodes = complete), over.abort()),
    over.signal,
  );
  return nodes;
}

const bmcRows = async () => (await fixture.db.pool.query<{ row: string }>('SELECT b::text AS row FROM bmcs b ORDER BY 1')).rows;

describe('enrolment', () => {
  it('gives every machine of the rack its BMC, and reports the nodes in the order of the rack', async () => {
    await discoverAll();
    const nodes = await enrol();
    expect(nodes.map((node) => node.serial)).toEqual(['SIM0001', 'SIM0002', 'SIM0003']);
    const { items } = await client.nodes.list();
    expect(items.filter((node) => node.kind === 'machine').map((node) => [node.name, node.bmc?.driver, node.bmc?.port])).toEqual([
      ['a.test', 'simulated', rack.bmc.port],
      ['b.test', 'simulated', rack.bmc.port],
      ['c.test', 'simulated', rack.bmc.port],
      ['d.test', undefined, undefined],
    ]);
    expect(events.filter((event) => event.event === 'enrolled')).toHaveLength(3);
  });

  it('waits until the last machine is a node and alive', async () => {
    await discover('SIM0001', 'b.test', true);
    await discover('SIM0002', 'a.test', false);
    const over = new AbortController();
    let completed = 0;
    const enrolling = enrolNodes(
      client,
      rack,
      (event) => events.push(event),
      () => (completed += 1),
      over.signal,
    );
    await waitFor(() => events.filter((event) => event.event === 'enrolled').length === 2, { what: 'two registrations' });
    expect(completed).toBe(0);
    await discover('SIM0003', 'c.test', true);
    await fixture.db.pool.query('UPDATE nodes SET alive = true');
    await waitFor(() => completed === 1, { what: 'the rack to be complete' });
    over.abort();
    await enrolling;
  });

  it('leaves registrations alone that an earlier start of the rack made', async () => {
    await discoverAll();
    await enrol();
    const before = await bmcRows();
    await rack.close();
    rack = await openRack();
    await enrol();
    expect(await bmcRows()).toEqual(before);
  });
});

describe('the demo deployment', () => {
  const steps: DemoStep[] = [];
  const report = (step: DemoStep) => steps.push(step);

  it('binds a controller on the first machine and workers on the others, each a child of the controller, and commits', async () => {
    await discoverAll();
    const nodes = await enrol();
    await ensureDemo(client, nodes, report, NEVER);
    const { items } = await client.nodeRoles.list({ deployment: 'demo', limit: 100 });
    // What the roles require beyond these (managed-node) is drawn in by the bind.
    expect(items.map((nodeRole) => nodeRole.name)).toEqual(
      expect.arrayContaining([
        ...['a', 'b', 'c'].flatMap((name) => [`provisioner-os-install@${name}.test`, `app-health@${name}.test`]),
        'cluster-controller@b.test',
        'cluster-worker@a.test',
        'cluster-worker@c.test',
      ]),
    );
    expect(items.filter((nodeRole) => nodeRole.role.name.startsWith('cluster-'))).toHaveLength(3);
    const worker = await client.nodeRoles.get(items.find((nodeRole) => nodeRole.name === 'cluster-worker@c.test')?.id ?? 0);
    expect(worker.parents.map((parent) => parent.name).sort()).toEqual(['cluster-controller@b.test', 'provisioner-os-install@c.test']);
    const { counts, revision } = await client.deployments.get('demo');
    expect([counts.PROPOSED, revision]).toEqual([0, 1]);
  });

  it('may be repeated: nothing is bound or committed twice, and what is missing is added', async () => {
    await discoverAll();
    const nodes = await enrol();
    await ensureDemo(client, nodes.slice(0, 2), report, NEVER);
    await ensureDemo(client, nodes.slice(0, 2), report, NEVER);
    expect((await client.deployments.get('demo')).revision).toBe(1);
    await ensureDemo(client, nodes, report, NEVER);
    const { items } = await client.nodeRoles.list({ deployment: 'demo', limit: 100 });
    expect(items.filter((nodeRole) => nodeRole.role.name === 'app-health')).toHaveLength(3);
    expect(items.filter((nodeRole) => nodeRole.state === 'PROPOSED')).toEqual([]);
  });
});
