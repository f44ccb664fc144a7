/**
 * `prybar why` in the situations operators meet, against the real database. The answers stand in docs/why.md: this test
 * holds that page true. PRYBAR_WRITE_DOCS=1 writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { setCap } from '../../../src/annealer/caps.js';
import { whyText } from '../../../src/cli/commands/why.js';
import { createLook } from '../../../src/cli/terminal/look.js';
import { recallDeployment } from '../../../src/deployments/verbs.js';
import { redeploy } from '../../../src/deployments/redeploy.js';
import { setRolloutPolicy } from '../../../src/deployments/rollouts.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { moveNodeRole } from '../../../src/noderoles/store.js';
import { addMachines, addRoles, bind, claimAndBegin, commit, useEngine } from '../../support/direct-engine.js';

const PAGE = 'docs/why.md';

const engine = useEngine();

type Turn = { runId: number; fence: number };
const settled = (...batch: Settlement[]) => settle(engine.db.pool, batch, 0);
const done = (turn: Turn): Settlement => ({ ...turn, outcome: { kind: 'done' } });
const fail = (turn: Turn, retryable = false): Settlement => ({
  ...turn,
  outcome: { kind: 'fail', code: 'exit-status', message: 'apt-get exited with status 100: no mirror answers', retryable },
});
const node = (set: string, id: number) => engine.db.pool.query(`UPDATE nodes SET ${set} WHERE id = $1`, [id]);

/** Roles in a chain or as given, each bound to a machine of its own or all to one; committed. */
async function deploy(
  roles: Record<string, string[]>,
  { together = false, more = {} }: { together?: boolean; more?: Record<string, Record<string, unknown>> } = {},
) {
  const roleIds = await addRoles(engine.db, roles, more);
  const nodes = await addMachines(engine.db, together ? 1 : Object.keys(roles).length);
  const ids: Record<string, number> = {};
  for (const [n, name] of Object.keys(roles).entries()) ids[name] = await bind(engine, roleIds[name], nodes[together ? 0 : n]);
  await commit(engine);
  return { ids, nodes };
}
const begin = async () => claimAndBegin(engine.db);

/** Title, what leads to it, and the noderole that is asked for. */
const SITUATIONS: [string, () => Promise<number>][] = [
  [
    'Something far above it failed',
    async () => {
      const { ids } = await deploy({ repository: [], packages: ['repository'], database: ['packages'] });
      await settled(fail((await begin()).get(ids.repository)!));
      await engine.db.pool.query('SELECT propagate_errors(100)');
      return ids.database;
    },
  ],
  [
    'It failed for good',
    async () => {
      const { ids } = await deploy({ packages: [] });
      await settled(fail((await begin()).get(ids.packages)!));
      return ids.packages;
    },
  ],
  [
    'It failed and will be tried again',
    async () => {
      const { ids } = await deploy({ packages: [] }, { more: { packages: { backoff_seconds: 600 } } });
      await settled(fail((await begin()).get(ids.packages)!, true));
      return ids.packages;
    },
  ],
  [
    'A member of its cluster is not ACTIVE',
    async () => {
      const roles = await addRoles(engine.db, { 'etcd-member': [], 'kube-api': ['etcd-member'] }, { 'etcd-member': { flags: ['cluster'] } });
      const nodes = await addMachines(engine.db, 4);
      const members = [];
      for (const id of nodes.slice(0, 3)) members.push(await bind(engine, roles['etcd-member'], id));
      const api = await bind(engine, roles['kube-api'], nodes[3]);
      await commit(engine);
      const turns = await begin();
      await settled(done(turns.get(members[0])!), done(turns.get(members[1])!));
      return api;
    },
  ],
  [
    'What it needs is held back by a rolling change',
    async () => {
      const roles = await addRoles(engine.db, { kernel: [], packages: ['kernel'] }, { kernel: { flags: ['implicit'] } });
      const [first, second] = await addMachines(engine.db, 2);
      await bind(engine, roles.packages, first);
      const waiting = await bind(engine, roles.packages, second);
      const policy = { canaries: null, limit: { count: 1 }, per: 'deployment', pause_above: 10, min_sample: 5 };
      await setRolloutPolicy(engine.db, engine.deploymentId, policy, 'operator');
      await commit(engine);
      await begin();
      return waiting;
    },
  ],
  [
    'Its machine does not answer',
    async () => {
      const { ids, nodes } = await deploy({ packages: [] });
      await node('alive = false', nodes[0]);
      await engine.db.pool.query(`UPDATE node_status SET phase = 'tftp', phase_detail = 'ipxe.efi at 40 %', heartbeat_at = NULL WHERE node_id = $1`, [
        nodes[0],
      ]);
      return ids.packages;
    },
  ],
  [
    'Another role runs on its machine',
    async () => {
      const { ids } = await deploy({ firmware: [], packages: [] }, { together: true });
      await begin();
      return ids.packages;
    },
  ],
  [
    'Its machine is held by a run that is being stopped',
    async () => {
      const { ids } = await deploy({ firmware: [], packages: [] }, { together: true });
      await begin();
      await moveNodeRole(engine.db.pool, ids.firmware, { kind: 'cancel' }, 'operator');
      return ids.packages;
    },
  ],
  [
    'It was cancelled, and its machine is not free yet',
    async () => {
      const { ids } = await deploy({ firmware: [] });
      await begin();
      await moveNodeRole(engine.db.pool, ids.firmware, { kind: 'cancel' }, 'operator');
      return ids.firmware;
    },
  ],
  [
    'It shall be installed anew, and the run before is not over',
    async () => {
      const { ids, nodes } = await deploy({ installer: [] }, { more: { installer: { flags: ['destructive'] } } });
      await begin();
      await redeploy(engine.db, { nodeId: nodes[0] ?? 0 }, 'operator');
      return ids.installer;
    },
  ],
  [
    'Its deployment was recalled',
    async () => {
      const { ids } = await deploy({ packages: [] });
      await recallDeployment(engine.db, engine.deploymentId, 'operator');
      return ids.packages;
    },
  ],
  [
    'A cap is reached',
    async () => {
      const roles = await addRoles(engine.db, { packages: [] });
      const [first, second] = await addMachines(engine.db, 2);
      await bind(engine, roles.packages, first);
      const waiting = await bind(engine, roles.packages, second);
      await commit(engine);
      await setCap(engine.db, 'total', 1, 'operator');
      await begin();
      return waiting;
    },
  ],
  [
    'Its machine has booted something else',
    async () => {
      const { ids } = await deploy({ 'bios-settings': [] }, { more: { 'bios-settings': { runs_in: 'discovery' } } });
      await engine.db.pool.query(`UPDATE nodes SET boot_class = 'installed' WHERE kind = 'machine'`);
      return ids['bios-settings'];
    },
  ],
  [
    'Another role goes first by soft order',
    async () => {
      const roles = await addRoles(engine.db, { mirror: [], packages: [], proxy: ['mirror'] }, { proxy: { precedes: ['packages'] } });
      const [one, other] = await addMachines(engine.db, 2);
      await bind(engine, roles.mirror, other);
      const packages = await bind(engine, roles.packages, one);
      await bind(engine, roles.proxy, one);
      await commit(engine);
      return packages;
    },
  ],
  [
    'It was bound and never committed',
    async () => {
      const roles = await addRoles(engine.db, { packages: [] });
      const [one] = await addMachines(engine.db, 1);
      return bind(engine, roles.packages, one);
    },
  ],
  [
    'No worker takes its class of jobs',
    async () => {
      const { ids } = await deploy({ 'switch-config': [] }, { more: { 'switch-config': { job_class: 'ssh' } } });
      return ids['switch-config'];
    },
  ],
];

/** Ids and times are of the run of the test. */
const normal = (text: string) =>
  text
    .replace(/\d+(\.\d+)? (s|min|h)\b/g, '5 s')
    .replace(/(run|retry|why|logs|--noderole) \d+/g, '$1 17')
    .replace(/machine(\d+)/g, (_, n: string) => `node${Number(n) - 1}`);

describe('why', () => {
  const page = () => readFileSync(PAGE, 'utf8');
  const written: string[] = [];

  it.each(SITUATIONS)('%s: is said in words, as docs/why.md shows it', async (title, prepare) => {
    const id = await prepare();
    const text = normal(whyText(await explainNodeRole(engine.db, id), createLook({ colour: false, unicode: true })));
    const section = `### ${title}\n\n\`\`\`\n${text}\n\`\`\`\n`;
    written.push(section);
    if (process.env.PRYBAR_WRITE_DOCS === undefined) expect(page()).toContain(section);
  });

  afterAll(() => {
    if (process.env.PRYBAR_WRITE_DOCS !== undefined) writeFileSync(PAGE, `${page().split('### ')[0]}${written.join('\n')}`);
  });
});
