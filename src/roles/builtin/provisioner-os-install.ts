/**
 * The role `provisioner-os-install`: from "this machine shall have that system" to "the machine is alive on its disk".
 * It never holds a worker while it waits (DESIGN rule 5), never reboots a machine before every boot server answers with
 * the new configuration (rule 6), and never installs twice what was installed (engine-rules 15).
 *
 *   arm       choose system and disk, arm one install, desired boot = the installer
 *   served    every boot server in scope has confirmed it             (keeps nothing: others may use the node)
 *   install   power cycled into PXE; the installer posts bootenv-local (keeps the node)
 *   boot      the node reports alive in a new boot, from that disk     (keeps the node)
 */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { withTransaction } from '../../db/client.js';
import { fixedDisks, pickDisk } from '../../nodes/disks.js';
import type { JigContext, JigOutcome, JsonObject, RoleFunction } from '../../jigs/contract.js';

const wishes = z.object({
  'target-os': z.string().min(1).optional(),
  disk: z.string().min(1).optional(),
  hostname: z.string().min(1).optional(),
  packages: z.array(z.string()).default([]),
  network: z.record(z.string(), z.json()).optional(),
});

const memo = z.union([
  z.object({ step: z.literal('served'), installId: z.number(), generation: z.number() }),
  z.object({ step: z.literal('install'), installId: z.number(), bootEpoch: z.number() }),
  z.object({ step: z.literal('boot'), installId: z.number(), bootEpoch: z.number() }),
]);

const FACT_COMPLETED = 3;
const SERVED_DEADLINE_SECONDS = 120;

/** What the role needs of other domains; wired in `workers/`. */
export type OsInstallPorts = {
  db: Db;
  defaultOs: string;
  installDeadlineSeconds: number;
  bootDeadlineSeconds: number;
  /** Arms one install of the node, or answers the one that is armed already for this noderole. */
  armInstall(
    tx: Parameters<Parameters<typeof withTransaction>[1]>[0],
    request: { nodeId: number; nodeRoleId: number; bootenv: string; spec: JsonObject },
  ): Promise<{ installId: number }>;
  setDesiredBootenv(
    tx: Parameters<Parameters<typeof withTransaction>[1]>[0],
    request: { nodeId: number; bootenv: string; reason: string },
  ): Promise<{ generation: number }>;
  /** In words, which servers have not confirmed yet. */
  waitingFor(nodeId: number): Promise<string[]>;
  /** Tells whoever publishes `served` that somebody waits now. */
  afterCommit(): void;
  hasBmc(nodeId: number): Promise<boolean>;
  powerCycleToPxe(nodeId: number, signal: AbortSignal, mayAct: () => boolean): Promise<void>;
};

/** Builds the role's function. */
export function provisionerOsInstall(ports: OsInstallPorts): RoleFunction {
  return async (ctx) => {
    if (ctx.wake === null) return arm(ports, ctx);
    const at = memo.parse(ctx.memo);
    switch (at.step) {
      case 'served':
        return reboot(ports, ctx, at);
      case 'install':
        return installed(ports, ctx, at);
      case 'boot':
        return booted(ports, ctx, at);
    }
  };
}

const final = (code: string, message: string): JigOutcome => ({ kind: 'fail', code, message, retryable: false });
const passing = (code: string, message: string): JigOutcome => ({ kind: 'fail', code, message, retryable: true });

async function arm(ports: OsInstallPorts, ctx: JigContext): Promise<JigOutcome> {
  const before = await lastInstall(ports.db, ctx.noderole.id);
  if (before?.status === 'completed') {
    ctx.log(`install ${before.id} of ${before.bootenv} is complete; a change of inputs does not reinstall, only a redeploy does`);
    return { kind: 'done' };
  }
  if (before?.status === 'wiping' || before?.status === 'unknown')
    return final(
      'install-state-unknown',
      `install ${before.id} stopped after the disk was claimed, so the disk may be half written; look at the machine, then redeploy`,
    );
  const wish = wishes.safeParse(ctx.inputs);
  if (!wish.success) return final('bad-inputs', `${wish.error.issues[0]?.path.join('.')}: ${wish.error.issues[0]?.message}`);
  const os = wish.data['target-os'] ?? ports.defaultOs;
  const known = await ports.db.prisma.bootenv.findMany({ where: { kind: 'installer' } });
  const bootenv = known.find((candidate) => candidate.name === os);
  if (!bootenv)
    return final('no-such-os', `target-os '${os}' is no installer bootenv; there are ${known.map((candidate) => candidate.name).join(', ') || 'none'}`);
  if (!bootenv.available) return final('os-not-available', `bootenv '${os}' cannot be served: ${bootenv.problems.join('; ')}`);
  const disk = await chooseDisk(ports.db, ctx.node.id, wish.data.disk);
  if ('problem' in disk) return final('no-disk', disk.problem);

  const spec: JsonObject = {
    targetOs: os,
    disk: disk.name,
    hostname: wish.data.hostname ?? ctx.node.name,
    packages: wish.data.packages,
    network: wish.data.network ?? null,
  };
  const armed = await withTransaction(ports.db.pool, async (tx) => {
    const { installId } = await ports.armInstall(tx, { nodeId: ctx.node.id, nodeRoleId: ctx.noderole.id, bootenv: os, spec });
    const { generation } = await ports.setDesiredBootenv(tx, { nodeId: ctx.node.id, bootenv: os, reason: `install ${installId} of ${os}` });
    return { installId, generation };
  });
  ports.afterCommit();
  ctx.log(`install ${armed.installId}: ${os} on disk ${disk.name}; waiting until every boot server answers with boot generation ${armed.generation}`);
  return {
    kind: 'wait',
    key: `served:${ctx.node.id}`,
    minGeneration: armed.generation,
    deadlineSeconds: SERVED_DEADLINE_SECONDS,
    keeps: 'nothing',
    survivesReboot: true,
    // Its next turn waits for a BMC; the others are done in milliseconds and must not wait behind it (engine-rules 22).
    jobClass: 'power',
    memo: { step: 'served', ...armed },
  };
}

async function reboot(ports: OsInstallPorts, ctx: JigContext, at: { installId: number; generation: number }): Promise<JigOutcome> {
  if (ctx.wake === 'deadline')
    return passing(
      'not-served',
      `after ${SERVED_DEADLINE_SECONDS} s the boot servers still do not answer with generation ${at.generation}: ${(await ports.waitingFor(ctx.node.id)).join('; ') || 'no reason known'}`,
    );
  const node = await ports.db.prisma.node.findUniqueOrThrow({ where: { id: ctx.node.id } });
  if (await ports.hasBmc(ctx.node.id)) {
    ctx.log('served by every boot server; power cycle, next boot by PXE');
    await ports.powerCycleToPxe(ctx.node.id, ctx.signal, ctx.mayAct);
  } else {
    ctx.log(`served by every boot server; no BMC is known: power-cycle the machine by hand, or set one (prybar nodes bmc ${ctx.node.name} ...)`);
  }
  return {
    kind: 'wait',
    key: `install:${at.installId}`,
    minGeneration: FACT_COMPLETED,
    deadlineSeconds: ports.installDeadlineSeconds,
    keeps: 'node',
    survivesReboot: true,
    jobClass: 'fast',
    // Another boot than the installer's: the jig looks at how far the installation has come, and decides.
    expectedBoot: { class: 'installer', otherwise: 'wake' },
    memo: { step: 'install', installId: at.installId, bootEpoch: node.bootEpoch },
  };
}

async function installed(ports: OsInstallPorts, ctx: JigContext, at: { installId: number; bootEpoch: number }): Promise<JigOutcome> {
  const install = await ports.db.prisma.install.findUniqueOrThrow({ where: { id: at.installId } });
  if (install.status !== 'completed') {
    const status = await ports.db.prisma.nodeStatus.findUnique({ where: { nodeId: ctx.node.id } });
    const seen = status ? `last seen: ${status.phase} ${status.phaseDetail} at ${status.phaseAt.toISOString()}` : 'the machine was never seen booting';
    if (ctx.wake === 'unexpected-boot') {
      const what = `the machine came back in ${status?.bootClass ?? 'another system'} before its installer reported back`;
      if (install.status === 'armed' || install.status === 'fetched') return passing('unexpected-boot', `${what}; its disk was not claimed yet`);
      return final('install-state-unknown', `${what}, and its disk was already claimed, so it may be half written; look at the machine, then redeploy`);
    }
    if (install.status === 'armed')
      return passing('no-netboot', `${ports.installDeadlineSeconds} s after the power cycle the machine has not fetched its installer; ${seen}`);
    return final('install-timeout', `the installer did not report back within ${ports.installDeadlineSeconds} s (it is ${install.status}); ${seen}`);
  }
  ctx.log('the installer reported back; the node boots its disk now');
  return {
    kind: 'wait',
    key: `boot:${ctx.node.id}`,
    minGeneration: at.bootEpoch + 1,
    deadlineSeconds: ports.bootDeadlineSeconds,
    keeps: 'node',
    survivesReboot: true,
    jobClass: 'fast',
    memo: { step: 'boot', installId: at.installId, bootEpoch: at.bootEpoch },
  };
}

async function booted(ports: OsInstallPorts, ctx: JigContext, at: { installId: number; bootEpoch: number }): Promise<JigOutcome> {
  const fact = await ports.db.prisma.fact.findUnique({ where: { key: `boot:${ctx.node.id}` } });
  const detail = z.object({ class: z.string().optional(), install_id: z.number().nullish() }).parse(fact?.detail ?? {});
  if (detail.class === 'installed' && detail.install_id === at.installId) {
    const install = await ports.db.prisma.install.findUniqueOrThrow({ where: { id: at.installId } });
    ctx.log('the node is alive on its disk');
    return { kind: 'done', wall: { install_id: install.id, os: install.bootenv, spec: install.spec as JsonObject } };
  }
  if (ctx.wake === 'deadline')
    return final(
      'no-disk-boot',
      `${ports.bootDeadlineSeconds} s after the installation the node is not alive on its disk; ${detail.class ? `its last boot was of class ${detail.class}` : 'it has not reported any boot'}`,
    );
  const epoch = fact?.generation ?? at.bootEpoch;
  ctx.log(`the node booted class ${detail.class ?? 'unknown'} instead of its disk; waiting for the next boot`);
  return {
    kind: 'wait',
    key: `boot:${ctx.node.id}`,
    minGeneration: epoch + 1,
    deadlineSeconds: ports.bootDeadlineSeconds,
    keeps: 'node',
    survivesReboot: true,
    memo: { step: 'boot', installId: at.installId, bootEpoch: epoch },
  };
}

async function lastInstall(db: Db, nodeRoleId: number) {
  return db.prisma.install.findFirst({ where: { nodeRoleId, status: { not: 'abandoned' } }, orderBy: { id: 'desc' } });
}

/** The disk asked for by name or serial, else the first that is not removable. */
async function chooseDisk(db: Db, nodeId: number, wanted: string | undefined): Promise<{ name: string } | { problem: string }> {
  const node = await db.prisma.node.findUniqueOrThrow({ where: { id: nodeId } });
  const found = pickDisk(node.discovery, wanted);
  if (found) return { name: found.name };
  const known =
    fixedDisks(node.discovery)
      .map((disk) => (disk.serial ? `${disk.name} (${disk.serial})` : disk.name))
      .join(', ') || 'none';
  return {
    problem:
      wanted === undefined ? `the node reported no disk to install on; disks known: ${known}` : `the node has no disk '${wanted}'; disks known: ${known}`,
  };
}
