/** Nodes and noderoles that go (engine-rules 25 and the rows "unbind" and "node delete" of the table). */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { redeploy } from '../../../src/deployments/redeploy.js';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import { claim } from '../../../src/noderoles/claim.js';
import { unbindNodeRole } from '../../../src/noderoles/unbind.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { reportFacts } from '../../../src/nodes/discover.js';
import { deleteNode, deletionWaits, finishDeletions } from '../../../src/nodes/remove.js';
import { settle } from '../../../src/noderoles/settle.js';
import { beginUnabortable, endUnabortable } from '../../../src/runs/unabortable.js';
import { report } from '../nodes/builders.js';
import {
  addMachines,
  addRoles,
  begin,
  bind,
  call,
  claimAndBegin,
  commit,
  driveToEnd,
  nodeRole,
  useEngine,
  runsOf,
  stateOf,
  unsound,
} from '../../support/direct-engine.js';

const engine = useEngine({ poolSize: 12 });
beforeEach(async () => {
  await engine.db.pool.query('TRUNCATE boot_servers, dhcp_entries, leases, networks CASCADE');
});

const OP = { actor: 'op' };
const remove = (nodeId: number, more = {}) => deleteNode(engine.db, nodeId, { ...OP, ...more });
const exists = async (nodeId: number) => (await engine.db.pool.query('SELECT 1 FROM nodes WHERE id = $1', [nodeId])).rowCount === 1;

/** A controller on one machine and a worker on another that requires it; both ACTIVE. */
async function pair(): Promise<{ nodes: [number, number]; controller: number; worker: number; roles: Record<string, number> }> {
  const roles = await addRoles(engine.db, { controller: [], worker: ['controller'], app: ['worker'] });
  const nodes = (await addMachines(engine.db, 2)) as [number, number];
  const controller = await bind(engine, roles.controller, nodes[0]);
  const worker = await bind(engine, roles.worker, nodes[1]);
  await commit(engine);
  await driveToEnd(engine.db);
  expect(await stateOf(engine.db, worker)).toBe('ACTIVE');
  return { nodes, controller, worker, roles };
}

describe('rule 25: deleting a node', () => {
  it('rule 17: waits for a step that cannot be broken off, which is cancelled at its end; force does not wait', async () => {
    const roles = await addRoles(engine.db, { flash: [] });
    const [kept, forced] = (await addMachines(engine.db, 2)) as [number, number];
    const ids = [await bind(engine, roles.flash, kept), await bind(engine, roles.flash, forced)];
    await commit(engine);
    const begun = await claimAndBegin(engine.db);
    for (const turn of begun.values()) await beginUnabortable(engine.db.pool, turn, 'flashing the BIOS');
    await remove(kept);
    await remove(forced, { force: ['runs'] });
    expect(await Promise.all(ids.map((id) => stateOf(engine.db, id)))).toEqual(['TRANSITION', 'TODO']);
    expect(await finishDeletions(engine.db)).toEqual([forced]);
    expect(await deletionWaits(engine.db, kept)).toEqual([
      expect.stringMatching(/^runs: run \d+ is RUNNING in a step that cannot be broken off \(flashing the BIOS\)$/),
    ]);
    const turn = begun.get(ids[0] ?? 0);
    if (!turn) throw new Error('no turn');
    expect(await endUnabortable(engine.db.pool, turn)).toBe(true);
    expect(await nodeRole(engine.db, ids[0] ?? 0)).toMatchObject({ state: 'ERROR', error_code: 'cancelled' });
    await settle(engine.db.pool, [{ ...turn, outcome: { kind: 'lost', message: 'stopped' } }], 0);
    expect(await finishDeletions(engine.db)).toEqual([kept]);
  });

  it('rule 17: of a node already being deleted, force ends the step that is waited for', async () => {
    const roles = await addRoles(engine.db, { flash: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    await bind(engine, roles.flash, node);
    await commit(engine);
    for (const turn of (await claimAndBegin(engine.db)).values()) await beginUnabortable(engine.db.pool, turn, 'flashing the BIOS');
    await remove(node);
    expect(await finishDeletions(engine.db)).toEqual([]);
    await remove(node, { force: ['runs'] });
    expect(await finishDeletions(engine.db)).toEqual([node]);
  });

  it('rule 17: a redeploy is refused while its step cannot be broken off, unless forced', async () => {
    const roles = await addRoles(engine.db, { os: [] }, { os: { flags: ['destructive'] } });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const id = await bind(engine, roles.os, node);
    await commit(engine);
    for (const turn of (await claimAndBegin(engine.db)).values()) await beginUnabortable(engine.db.pool, turn, 'flashing the BIOS');
    await expect(redeploy(engine.db, { nodeRoleId: id }, 'op')).rejects.toMatchObject({
      code: 'unabortable',
      message: expect.stringContaining('(flashing the BIOS)'),
    });
    expect(await stateOf(engine.db, id)).toBe('TRANSITION');
    await redeploy(engine.db, { nodeRoleId: id }, 'op', true);
    expect(await stateOf(engine.db, id)).toBe('TODO');
  });

  it('rule 25: is refused while something elsewhere depends on it, and names what', async () => {
    const { nodes } = await pair();
    await expect(remove(nodes[0])).rejects.toMatchObject({ code: 'node-in-use', message: expect.stringContaining('worker@machine') });
    expect((await engine.db.pool.query('SELECT 1 FROM nodes WHERE deleting')).rowCount).toBe(0);
  });

  it('rule 25: with cascade it proposes the dependants, which are never satisfied by the absence of their parent', async () => {
    const { nodes, worker, roles } = await pair();
    const app = await bind(engine, roles.app, nodes[1]);
    await commit(engine);
    await driveToEnd(engine.db);
    await remove(nodes[0], { cascade: true });
    expect(await stateOf(engine.db, worker)).toBe('PROPOSED');
    expect(await nodeRole(engine.db, app)).toMatchObject({ pending_parents: 1 });
    expect(await finishDeletions(engine.db)).toEqual([nodes[0]]);
    expect(await unsound(engine.db)).toEqual([]);
    await expect(commit(engine)).rejects.toMatchObject({ code: 'parents-lost', message: expect.stringMatching(/worker@\S+ lost controller@/) });
    // Nor by a commit that goes another way.
    await engine.db.pool.query('SELECT emit_events(c.events) FROM commit_noderoles(ARRAY[$1::int]) c', [worker]);
    expect(await stateOf(engine.db, worker)).toBe('PROPOSED');
    // Unbound and bound anew it finds another.
    await unbindNodeRole(engine.db, worker, { ...OP, cascade: true });
    const again = await bind(engine, roles.worker, nodes[1]);
    await commit(engine);
    await driveToEnd(engine.db);
    expect(await stateOf(engine.db, again)).toBe('ACTIVE');
  });

  it('rule 25: a dependant that is only proposed does not hold it', async () => {
    const { nodes, worker } = await pair();
    await engine.db.pool.query('SELECT emit_events(repropose_noderoles(ARRAY[$1::int], $2))', [worker, 'test']);
    await remove(nodes[0]);
    expect(await finishDeletions(engine.db)).toEqual([nodes[0]]);
  });

  it('rule 25, race 21: a live run is stopped, and the node goes only when the stop is proven', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const id = await bind(engine, only, node);
    await commit(engine);
    const [ring] = await claim(engine.db.pool, 10);
    await begin(engine.db, ring);
    await remove(node);
    expect((await runsOf(engine.db, id))[0]).toMatchObject({ status: 'STOPPING', holds_slot: true });
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    expect(await finishDeletions(engine.db)).toEqual([]);
    expect(await deletionWaits(engine.db, node)).toEqual([`runs: run ${ring.runId} is STOPPING`]);
    expect(await call(engine.db, 'repair_drift()')).toBe(0);
    await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 hour' WHERE status = 'STOPPING'`);
    await call(engine.db, "prove_stopped('1 second')");
    expect(await finishDeletions(engine.db)).toEqual([node]);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('rule 25: an installation under way hands out nothing more, and the machine shall boot from its disk', async () => {
    const { os } = await addRoles(engine.db, { os: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const id = await bind(engine, os, node);
    await commit(engine);
    await claimAndBegin(engine.db);
    await engine.db.pool.query(`INSERT INTO installs (node_id, node_role_id, bootenv) VALUES ($1, $2, 'debian-12')`, [node, id]);
    await remove(node);
    expect((await engine.db.pool.query('SELECT status FROM installs')).rows).toEqual([{ status: 'abandoned' }]);
    expect((await engine.db.pool.query('SELECT bootenv, deleting FROM nodes WHERE id = $1', [node])).rows).toEqual([{ bootenv: 'local', deleting: true }]);
    await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 hour' WHERE status = 'STOPPING'`);
    await remove(node, { force: ['runs'] });
    expect(await finishDeletions(engine.db)).toEqual([node]);
  });

  it('rule 25: a queued run ends at once', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    await bind(engine, only, node);
    await commit(engine);
    await claim(engine.db.pool, 10);
    await remove(node);
    expect(await finishDeletions(engine.db)).toEqual([node]);
  });

  it('rule 25: nothing is bound to it and nothing of it is claimed meanwhile; its tokens are worth nothing', async () => {
    const { only, other } = await addRoles(engine.db, { only: [], other: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    await bind(engine, only, node);
    await commit(engine);
    await engine.db.pool.query(`INSERT INTO node_tokens (sha256, kind, node_id, expires_at) VALUES ('x', 'agent', $1, now() + interval '1 day')`, [node]);
    await remove(node);
    expect(await claim(engine.db.pool, 10)).toEqual([]);
    await expect(bindRole(engine.db, { roleId: other, nodeId: node, deploymentId: engine.deploymentId, actor: 'op' })).rejects.toThrow('is being deleted');
    expect((await engine.db.pool.query('SELECT 1 FROM node_tokens WHERE revoked_at IS NULL')).rowCount).toBe(0);
    const { rows } = await engine.db.pool.query('SELECT bootenv FROM nodes WHERE id = $1', [node]);
    expect(rows).toEqual([{ bootenv: 'local' }]);
  });

  describe('waits for its DHCP servers', () => {
    async function withdrawn(): Promise<number> {
      const [node] = (await addMachines(engine.db, 1)) as [number];
      await engine.db.pool.query(
        `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, applied_gen, revision, deleted) VALUES ('52:54:00:00:00:01', $1, 'n', 'local', 1, 7, false)`,
        [node],
      );
      await engine.db.pool.query(
        `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until) VALUES (gen_random_uuid(), 'dhcp', '10.0.0.2', '{}', 'serving', 6, now() + interval '1 hour')`,
      );
      await remove(node);
      return node;
    }

    it('rule 25: until each has reached the revision of its withdrawal', async () => {
      const node = await withdrawn();
      expect(await finishDeletions(engine.db)).toEqual([]);
      expect(await deletionWaits(engine.db, node)).toEqual(['dhcp: the DHCP table still has 52:54:00:00:00:01']);
      await engine.db.pool.query('UPDATE dhcp_entries SET deleted = true, revision = 8');
      expect(await finishDeletions(engine.db)).toEqual([]);
      expect(await deletionWaits(engine.db, node)).toEqual(['dhcp: the DHCP server on 10.0.0.2 serves revision 6 of 8']);
      await engine.db.pool.query('UPDATE boot_servers SET served_revision = 8');
      expect(await finishDeletions(engine.db)).toEqual([node]);
    });

    it('rule 25: until no DNS server answers for its names, however often names change meanwhile', async () => {
      const [node] = (await addMachines(engine.db, 1)) as [number];
      const { rows } = await engine.db.pool.query<{ id: number }>(`INSERT INTO networks (name, subnet) VALUES ('n', '10.0.0.0/24') RETURNING id`);
      await engine.db.pool.query(`INSERT INTO reservations (network_id, address, mac, node_id) VALUES ($1, '10.0.0.5', 'aa:00:00:00:00:05', $2)`, [
        rows[0]?.id,
        node,
      ]);
      await engine.db.pool.query(
        `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until) VALUES (gen_random_uuid(), 'dns', '10.0.0.2', '{}', 'serving', 0, now() + interval '1 hour')`,
      );
      await remove(node);
      expect(await finishDeletions(engine.db)).toEqual([]);
      expect(await deletionWaits(engine.db, node)).toEqual([expect.stringMatching(/^dns: the DNS server on 10\.0\.0\.2 serves revision 0 of \d+$/)]);
      await engine.db.pool.query('UPDATE boot_servers SET served_revision = (SELECT revision FROM dns_table)');
      await engine.db.pool.query(`INSERT INTO reservations (network_id, address, hostname) VALUES ($1, '10.0.0.6', 'another')`, [rows[0]?.id]);
      expect(await finishDeletions(engine.db)).toEqual([node]);
    });

    it('rule 25: a server that is out cannot hold it', async () => {
      const node = await withdrawn();
      await engine.db.pool.query('UPDATE dhcp_entries SET deleted = true, revision = 8');
      await engine.db.pool.query(`UPDATE boot_servers SET lease_until = now() - interval '1 second'`);
      expect(await finishDeletions(engine.db)).toEqual([node]);
    });

    it('rule 25: force skips what is named, and leaves an audit of it', async () => {
      const node = await withdrawn();
      await expect(remove(node, { force: ['ntp'] })).rejects.toMatchObject({ message: expect.stringContaining('these can: runs, dhcp, dns, boot-files, bmc') });
      await remove(node, { force: ['dhcp'] });
      const { rows } = await engine.db.pool.query(`SELECT forced_by FROM node_finalizers WHERE node_id = $1 AND subsystem = 'dhcp'`, [node]);
      expect(rows).toEqual([{ forced_by: 'op' }]);
      expect(await finishDeletions(engine.db)).toEqual([node]);
      const audit = await engine.db.pool.query(`SELECT detail->'force' AS force FROM audit WHERE action = 'node.delete' AND target = $1 ORDER BY id`, [
        `node/${node}`,
      ]);
      expect(audit.rows.at(-1)).toEqual({ force: ['dhcp'] });
    });
  });

  it('rule 25: while it goes its machine is asked to come again, afterwards it is a new node with another id', async () => {
    const first = await reportFacts(engine.db, report(1));
    await engine.db.pool.query(`UPDATE node_tokens SET revoked_at = now()`);
    await remove(first.nodeId);
    await expect(reportFacts(engine.db, report(1, { bootId: 'b2' }))).rejects.toMatchObject({ code: 'node-deleting' });
    expect(await finishDeletions(engine.db)).toEqual([first.nodeId]);
    const again = await reportFacts(engine.db, report(1, { bootId: 'b3' }));
    expect(again.isNew).toBe(true);
    expect(again.nodeId).toBeGreaterThan(first.nodeId);
  });

  it('rule 25: a child that is committed after its consent holds the removal again', async () => {
    const { nodes, worker } = await pair();
    await engine.db.pool.query('SELECT emit_events(repropose_noderoles(ARRAY[$1::int], $2))', [worker, 'test']);
    await remove(nodes[0]);
    await engine.db.pool.query('UPDATE node_finalizers SET confirmed_at = now()');
    await commitDeployment(engine.db, engine.deploymentId, 'op');
    expect(await finishDeletions(engine.db)).toEqual([]);
    expect(await exists(nodes[0])).toBe(true);
    expect(await deletionWaits(engine.db, nodes[0])).toContainEqual(expect.stringMatching(/^dependants: worker@\S+ is TODO$/));
    await remove(nodes[0], { cascade: true });
    expect(await finishDeletions(engine.db)).toEqual([nodes[0]]);
    expect(await unsound(engine.db)).toEqual([]);
  });
});

describe('unbinding', () => {
  it('is refused for what is committed, and for what has children, unless with cascade', async () => {
    const { controller, worker } = await pair();
    await expect(unbindNodeRole(engine.db, worker, OP)).rejects.toMatchObject({ message: expect.stringContaining('is ACTIVE; propose it first') });
    await expect(unbindNodeRole(engine.db, controller, OP)).rejects.toMatchObject({ code: 'has-children' });
    expect(await unbindNodeRole(engine.db, controller, { ...OP, cascade: true })).toEqual({ removed: [controller, worker], removing: [] });
    expect((await engine.db.pool.query('SELECT 1 FROM node_roles WHERE deployment_id = $1', [engine.deploymentId])).rowCount).toBe(0);
    expect(await unsound(engine.db)).toEqual([]);
  });

  it('stops what runs and goes when that is proven; until then it cannot be committed again', async () => {
    const { only } = await addRoles(engine.db, { only: [] });
    const [node] = (await addMachines(engine.db, 1)) as [number];
    const id = await bind(engine, only, node);
    await commit(engine);
    await claimAndBegin(engine.db);
    expect(await unbindNodeRole(engine.db, id, OP)).toEqual({ removed: [], removing: [id] });
    expect(await stateOf(engine.db, id)).toBe('PROPOSED');
    await expect(commit(engine)).rejects.toMatchObject({ code: 'removing' });
    expect(await call(engine.db, 'finish_removals()')).toBe(0);
    await engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 hour'`);
    await call(engine.db, "prove_stopped('1 second')");
    expect(await call(engine.db, 'finish_removals()')).toBe(1);
    expect(await unsound(engine.db)).toEqual([]);
  });
});
