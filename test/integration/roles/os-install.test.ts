import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createJigs } from '../../../jigs/index.js';
import { explainNodeRole } from '../../../src/annealer/explain.js';
import { openRoleFunctions } from '../../../src/bin/role-functions.js';
import { commitDeployment, createDeployment, setDeploymentRoleData } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { cancelNodeRole, proposeNodeRole, retryNodeRole } from '../../../src/noderoles/verbs.js';
import { withTransaction } from '../../../src/db/client.js';
import { recordBoot } from '../../../src/nodes/boot.js';
import { raiseFact } from '../../../src/nodes/facts.js';
import { evaluateServed } from '../../../src/nodes/served.js';
import { startHooks } from '../../../workers/hooks.js';
import { addNodes, assertHistoryIsSound, createTestEngine, defineRoles, roleId, type TestEngine } from '../../support/engine.js';
import { waitFor } from '../../support/wait-for.js';

describe('provisioner-os-install', () => {
  let engine: TestEngine;
  let home: string;
  let closers: (() => Promise<void>)[];
  let nodeId: number;
  let nodeRoleId: number;
  let deploymentId: number;

  beforeEach(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'prybar-os-install-'));
    engine = await createTestEngine('postgres', { PRYBAR_HOME: home });
    const { context } = engine;
    const { db } = context;
    await defineRoles(context, { 'provisioner-os-install': [] }, { 'provisioner-os-install': { jig: 'role-provided', flags: ['destructive', 'implicit'] } });
    for (const name of ['debian-12', 'rocky-9', 'maintenance'])
      await db.prisma.bootenv.create({ data: { name, kind: name === 'maintenance' ? 'maintenance' : 'installer', archs: ['x86_64'], problems: [] } });
    nodeId = (await addNodes(context, 1))[0]!;
    await db.prisma.node.update({
      where: { id: nodeId },
      data: { discovery: { disks: [{ name: 'sda', serial: 'S1', size_bytes: 1e12 }] }, nics: { create: { mac: '52:54:00:00:00:01', boot: true } } },
    });
    deploymentId = (await createDeployment(db, { name: 'demo', actor: 'test' })).id;
    nodeRoleId = (await bindRole(db, { roleId: await roleId(context, 'provisioner-os-install'), nodeId, deploymentId, actor: 'test' })).nodeRoleId;
    const roles = await openRoleFunctions(context);
    await engine.startWorker(createJigs(roles.functions));
    await engine.startAnnealer();
    const hooks = await startHooks(context);
    closers = [() => hooks.close(), () => roles.close()];
  });
  afterEach(async () => {
    for (const close of closers) await close();
    await engine.close();
    await rm(home, { recursive: true });
  });

  /** A DHCP server that confirms whatever there is. */
  const addServer = () =>
    engine.context.db.prisma.bootServer.create({
      data: {
        id: randomUUID(),
        kind: 'dhcp',
        host: '127.0.0.1',
        networks: [],
        status: 'serving',
        servedRevision: 1_000_000n,
        leaseUntil: new Date(Date.now() + 600_000),
      },
    });
  const waiting = (prefix: string) =>
    waitFor(() => engine.context.db.prisma.wait.findFirst({ where: { key: { startsWith: prefix } } }), { what: `a wait for ${prefix}` });
  const node = () => engine.context.db.prisma.node.findUniqueOrThrow({ where: { id: nodeId } });

  it('race 1, rule 6: reboots nothing before a boot server has confirmed, and says what it waits for', async () => {
    const { db } = engine.context;
    await commitDeployment(db, deploymentId, 'test');
    await waiting('served:');
    const answer = await explainNodeRole(db, nodeRoleId, async (id) => (await evaluateServed(db.pool, id)).waitingFor);
    expect(answer.answer).toMatch(/no .*server/i);
    await addServer();
    await waiting('install:');
    expect((await node()).bootenv).toBe('debian-12');
  });

  it('installs what the deployment role says when the noderole says nothing', async () => {
    const { db } = engine.context;
    await addServer();
    await setDeploymentRoleData(db, {
      deploymentId,
      roleId: await roleId(engine.context, 'provisioner-os-install'),
      data: { 'target-os': 'rocky-9', disk: 'S1' },
      actor: 'test',
    });
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    const install = await db.prisma.install.findFirstOrThrow({ where: { nodeId } });
    expect([install.bootenv, install.status, (install.spec as { disk: string }).disk]).toEqual(['rocky-9', 'armed', 'sda']);
  });

  it.each([
    ['cancelled', cancelNodeRole],
    ['proposed again', proposeNodeRole],
  ])('rule 17: %s while it waits for the installer, the installer is disarmed and the machine parked', async (_how, stop) => {
    const { db } = engine.context;
    await addServer();
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    await stop(db, nodeRoleId, 'test');
    await waitFor(async () => (await db.prisma.install.findFirstOrThrow({ where: { nodeId } })).status === 'abandoned', {
      what: 'the install to be abandoned',
    });
    await waitFor(async () => (await node()).bootenv === 'maintenance', { what: 'the machine to be parked' });
    await waitFor(async () => (await db.prisma.run.count({ where: { status: { not: 'ENDED' } } })) === 0, { what: 'the run to end' });
    await assertHistoryIsSound(engine.context);
  });

  // The slot of a cancelled install was free at once, while its installer went on writing on the disk.
  it('rules 1 and 17: cancelled while its installer may be writing, the machine stays taken until its next boot', async () => {
    const { db } = engine.context;
    await addServer();
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    await db.prisma.install.updateMany({ where: { nodeId }, data: { status: 'wiping', wipingAt: new Date() } });
    await cancelNodeRole(db, nodeRoleId, 'test');
    expect((await db.prisma.install.findFirstOrThrow({ where: { nodeId } })).status).toBe('unknown');
    expect((await node()).bootenv).toBe('maintenance');
    const stopped = await waitFor(() => db.prisma.run.findFirst({ where: { nodeId, stopStep: 'done' } }), { what: 'its onStop' });
    expect([stopped.status, stopped.stopProof]).toEqual(['STOPPING', null]);
    expect(stopped.stopNote).toContain('power-cycle the machine by hand');
    await withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId: 'the installer', bootClass: 'installer', bootenv: null, address: null }));
    expect((await db.pool.query(`SELECT prove_stopped('0') AS n`)).rows[0]).toEqual({ n: 0 });
    await withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId: 'another', bootClass: 'maintenance', bootenv: 'maintenance', address: null }));
    const run = await waitFor(() => db.prisma.run.findFirst({ where: { nodeId, status: 'ENDED' } }), { what: 'the run to end' });
    expect([run.outcome, run.stopProof]).toEqual(['cancelled', 'the machine has booted anew (another)']);
  });

  it.each([
    ['fetched', 'retryable', 'unexpected-boot'],
    ['wiping', 'failed', 'install-state-unknown'],
  ] as const)('rule 16: another boot while its installer is %s ends the run as %s, not at its deadline', async (status, outcome, code) => {
    const { db } = engine.context;
    await addServer();
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    await db.prisma.install.updateMany({ where: { nodeId }, data: { status } });
    await withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId: 'another', bootClass: 'maintenance', bootenv: 'maintenance', address: null }));
    const run = await waitFor(() => db.prisma.run.findFirst({ where: { nodeId, status: 'ENDED' } }), { what: 'the run to end' });
    expect([run.outcome, run.errorCode]).toEqual([outcome, code]);
  });

  it('race 2: is ACTIVE only when the machine is alive from its disk, and what is below it is claimed by nobody before', async () => {
    const { db } = engine.context;
    await defineRoles(engine.context, { 'on-the-system': ['provisioner-os-install'] }, { 'on-the-system': { jig: 'noop' } });
    const below = (await bindRole(db, { roleId: await roleId(engine.context, 'on-the-system'), nodeId, deploymentId, actor: 'test' })).nodeRoleId;
    await addServer();
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    const install = await db.prisma.install.findFirstOrThrow({ where: { nodeId } });
    await db.prisma.install.update({ where: { id: install.id }, data: { status: 'completed', endedAt: new Date() } });
    await withTransaction(db.pool, (tx) => raiseFact(tx, `install:${install.id}`, 3));
    await waiting('boot:');
    expect(await db.prisma.nodeRole.findUniqueOrThrow({ where: { id: nodeRoleId } })).toMatchObject({ state: 'TRANSITION' });
    expect(await db.prisma.run.count({ where: { nodeRoleId: below } })).toBe(0);
    await withTransaction(db.pool, (tx) =>
      recordBoot(tx, { nodeId, bootId: 'disk', bootClass: 'installed', bootenv: 'local', address: null, installId: install.id }),
    );
    await waitFor(async () => (await db.prisma.nodeRole.findUniqueOrThrow({ where: { id: below } })).state === 'ACTIVE', {
      what: 'what is below to be ACTIVE',
    });
    await assertHistoryIsSound(engine.context);
  });

  it('race 16: the disk is the one that the run chose and the installer is told, however the machine names its disks later', async () => {
    const { db } = engine.context;
    await addServer();
    await commitDeployment(db, deploymentId, 'test');
    await waiting('install:');
    await db.prisma.node.update({ where: { id: nodeId }, data: { discovery: { disks: [{ name: 'nvme0n1', serial: 'S9', size_bytes: 1e12 }] } } });
    expect((await db.prisma.install.findFirstOrThrow({ where: { nodeId } })).spec).toMatchObject({ disk: 'sda' });
  });

  it('says which systems there are when the one wanted is not among them, and goes on after a retry', async () => {
    const { context } = engine;
    await addServer();
    await context.db.pool.query(`UPDATE roles SET template = '{"target-os":"plan9"}' WHERE name = 'provisioner-os-install'`);
    await commitDeployment(context.db, deploymentId, 'test');
    const failed = await waitFor(() => context.db.prisma.nodeRole.findFirst({ where: { id: nodeRoleId, state: 'ERROR' } }), { what: 'the refusal' });
    expect(failed.errorMessage).toBe("target-os 'plan9' is no installer bootenv; there are debian-12, rocky-9");
    await context.db.pool.query(`UPDATE roles SET template = '{}' WHERE name = 'provisioner-os-install'`);
    await retryNodeRole(context.db, nodeRoleId, 'test');
    await waiting('install:');
  });
});
