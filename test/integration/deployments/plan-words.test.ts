/**
 * `prybar plan` in the situations operators meet, against the real database. The answers stand in docs/plan.md: this test
 * holds that page true. PRYBAR_WRITE_DOCS=1 writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { viewPlan } from '../../../src/api/views/plan.js';
import { planText } from '../../../src/cli/commands/deployment-plan.js';
import { createLook } from '../../../src/cli/terminal/look.js';
import { readPlan } from '../../../src/deployments/plan-read.js';
import { redeploy } from '../../../src/deployments/redeploy.js';
import { setRolloutPolicy } from '../../../src/deployments/rollouts.js';
import { createDeployment, setDeploymentRoleData } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { addMachines, addRoles, commit, driveToEnd, openDirectEngine, type DirectEngine } from '../../support/direct-engine.js';

const PAGE = 'docs/plan.md';
const BEGIN = '<!-- situations: written by test/integration/deployments/plan-words.test.ts -->\n';
const END = '<!-- end: situations -->';

let engine: DirectEngine;
let roles: Record<string, number>;
beforeAll(async () => {
  engine = await openDirectEngine();
});
afterAll(() => engine.close());
beforeEach(async () => {
  await engine.reset();
  roles = await addRoles(
    engine.db,
    { installer: [], web: ['installer'], database: [], store: [], 'store-client': ['store'] },
    { installer: { flags: ['implicit', 'destructive'] }, store: { flags: ['cluster'] }, web: { attribs: [{ name: 'port', default: 80 }] } },
  );
});

const query = (sql: string, values: unknown[] = []) => engine.db.pool.query<{ id: number }>(sql, values);
const on = (role: string, node: number, deploymentId = engine.deploymentId) =>
  bindRole(engine.db, { roleId: roles[role], nodeId: node, deploymentId, actor: 'operator' }).then(({ nodeRoleId }) => nodeRoleId);

/** node1, node2 ...: with a disk and a BMC. */
async function machines(count: number): Promise<number[]> {
  const ids = await addMachines(engine.db, count);
  for (const [index, id] of ids.entries()) {
    const disk = { disks: [{ name: 'nvme0n1', size_bytes: 480e9, serial: `S${index}`, removable: false }] };
    await query('UPDATE nodes SET name = $2, discovery = $3 WHERE id = $1', [id, `node${index + 1}`, JSON.stringify(disk)]);
    await query(`INSERT INTO bmcs (node_id, driver, address, port) VALUES ($1, 'simulated', '127.0.0.1', 6230)`, [id]);
  }
  return ids;
}

/** Runs everything; what is installed then is recorded as the installer would. Each run took two seconds, by another clock. */
async function toRest(): Promise<void> {
  await driveToEnd(engine.db);
  await query(`INSERT INTO installs (node_id, node_role_id, bootenv, status) SELECT node_id, id, 'debian-12', 'completed' FROM node_roles nr
    WHERE state = 'ACTIVE' AND role_id = ${roles.installer} AND NOT EXISTS (SELECT 1 FROM installs i WHERE i.node_role_id = nr.id AND i.status = 'completed')`);
  await query(`ALTER TABLE runs DISABLE TRIGGER runs_ended_is_final`);
  await query(`UPDATE runs SET started_at = ended_at - interval '2 seconds' WHERE started_at IS NOT NULL AND ended_at IS NOT NULL`);
  await query(`ALTER TABLE runs ENABLE TRIGGER runs_ended_is_final`);
}
async function installedWeb(count: number): Promise<number[]> {
  const nodes = await machines(count);
  for (const node of nodes) await on('web', node);
  await commit(engine);
  await toRest();
  return nodes;
}
const setData = (role: string, data: Record<string, number | string[]>) =>
  setDeploymentRoleData(engine.db, { deploymentId: engine.deploymentId, roleId: roles[role], data, actor: 'operator' });

/** Title, and what leads to it; answers the deployment that is asked for when it is not the usual. */
const SITUATIONS: [string, () => Promise<number | void>][] = [
  [
    'Machines are installed for the first time',
    async () => {
      for (const node of await machines(2)) await on('web', node);
    },
  ],
  [
    'Only data changes, and who reads it runs again',
    async () => {
      await installedWeb(2);
      await setData('web', { port: 8080 });
    },
  ],
  [
    'The data of an installed system changes',
    async () => {
      await installedWeb(1);
      await setData('installer', { packages: ['vim'] });
    },
  ],
  [
    'One more machine joins what runs already',
    async () => {
      await installedWeb(1);
      const [more] = await addMachines(engine.db, 1);
      await query(`UPDATE nodes SET name = 'node2' WHERE id = $1`, [more]);
      await on('web', more);
    },
  ],
  [
    'A cluster gets another member',
    async () => {
      const [one, two, client] = (await machines(3)) as [number, number, number];
      await on('store', one);
      await on('store-client', client);
      await commit(engine);
      await toRest();
      await on('store', two);
    },
  ],
  [
    'A parent in another deployment was never committed',
    async () => {
      const [node] = (await machines(1)) as [number];
      await on('installer', node);
      const more = await createDeployment(engine.db, { name: 'extra', parentId: engine.deploymentId, actor: 'operator' });
      await on('web', node, more.id);
      return more.id;
    },
  ],
  [
    'What it needs has failed',
    async () => {
      const [node] = (await machines(1)) as [number];
      await on('installer', node);
      await commit(engine);
      await driveToEnd(engine.db, () => ({ kind: 'fail', code: 'disk-too-small', message: 'nvme0n1 has 480 GB, 500 are needed', retryable: false }));
      await on('web', node);
    },
  ],
  [
    'A machine is switched off',
    async () => {
      const [one, two] = (await machines(2)) as [number, number];
      await query('UPDATE nodes SET alive = false WHERE id = ANY($1)', [[one, two]]);
      await query('DELETE FROM bmcs WHERE node_id = $1', [two]);
      await on('database', one);
      await on('database', two);
    },
  ],
  [
    'Nobody knows whether a disk was touched',
    async () => {
      const [node] = (await machines(1)) as [number];
      const id = await on('installer', node);
      await query(`INSERT INTO installs (node_id, node_role_id, bootenv, status) VALUES ($1, $2, 'debian-12', 'unknown')`, [node, id]);
    },
  ],
  [
    'A redeploy is under way',
    async () => {
      const [one] = (await installedWeb(1)) as [number];
      await redeploy(engine.db, { nodeId: one }, 'operator');
      await on('database', one);
    },
  ],
  [
    'Others stand on what runs again',
    async () => {
      const [node] = (await machines(1)) as [number];
      await on('database', node);
      await commit(engine);
      const shop = await createDeployment(engine.db, { name: 'shop', parentId: engine.deploymentId, actor: 'operator' });
      const more = await addRoles(engine.db, { checkout: ['database'] });
      await bindRole(engine.db, { roleId: more.checkout, nodeId: node, deploymentId: shop.id, actor: 'operator' });
      await query('UPDATE deployments SET committed_at = clock_timestamp() WHERE id = $1', [shop.id]);
      await toRest();
      await setData('database', { size: 3 });
    },
  ],
  [
    'A rollout policy limits it',
    async () => {
      for (const node of await machines(3)) await on('database', node);
      const policy = { canaries: { count: 1 }, limit: { count: 1 }, per: 'role', pause_above: 10, min_sample: 5 };
      await setRolloutPolicy(engine.db, engine.deploymentId, policy, 'operator');
    },
  ],
  [
    'The deployment is paused',
    async () => {
      const [node] = (await machines(1)) as [number];
      await on('database', node);
      await query('UPDATE deployments SET paused_at = clock_timestamp() WHERE id = $1', [engine.deploymentId]);
    },
  ],
  [
    'There is nothing to commit',
    async () => {
      await installedWeb(1);
    },
  ],
];

describe('the plan', () => {
  const page = () => readFileSync(PAGE, 'utf8');
  const written: string[] = [];

  it.each(SITUATIONS)('%s: is said in words, as docs/plan.md shows it', async (title, prepare) => {
    const id = (await prepare()) ?? engine.deploymentId;
    const text = planText(viewPlan(await readPlan(engine.db.pool, id)), createLook({ colour: false, unicode: true }), undefined).replace(/[ \t]+$/gm, '');
    const section = `### ${title}\n\n\`\`\`\n${text}\n\`\`\`\n`;
    written.push(section);
    if (process.env.PRYBAR_WRITE_DOCS === undefined) expect(page()).toContain(section);
  });

  afterAll(() => {
    if (process.env.PRYBAR_WRITE_DOCS === undefined) return;
    const [before, rest] = page().split(BEGIN) as [string, string];
    writeFileSync(PAGE, `${before}${BEGIN}\n${written.join('\n')}\n${END}${rest.slice(rest.indexOf(END) + END.length)}`);
  });
});
