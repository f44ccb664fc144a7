/** `/nodes/:key/bmc` and `/nodes/:key/power`: how a machine is switched, and switching it. */
import { z } from 'zod';
import { withTransaction, type Db } from '../../db/client.js';
import { nodeChanged } from '../../events/events.js';
import { notify, writeEvents } from '../../events/outbox.js';
import { AppError, ConflictError, NotFoundError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import type { Power, Secrets } from '../deps.js';
import { nodeId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { readNode } from '../views/node.js';

const byKey = z.object({ key: s.keySchema });
const tag = 'nodes';

/** A BMC answers in seconds, a machine that boots slowly turns on in ten: beyond this it is an error. */
const POWER_MS = 60_000;

export type NodePowerDeps = { db: Db; power?: Power; secrets?: Secrets };

export function nodePowerRoutes({ db, power, secrets }: NodePowerDeps): Route[] {
  return [
    defineRoute({
      method: 'put',
      path: '/nodes/:key/bmc',
      scope: 'admin',
      tag,
      summary: 'Say how the machine is switched; the password is kept encrypted and never shown',
      params: byKey,
      body: s.bmcPutSchema,
      answer: s.nodeSchema,
      async handle({ params, body, actor }) {
        const id = await nodeId(db, params.key);
        if (secrets === undefined) throw notConfigured('no key to encrypt BMC passwords with');
        await storeBmc(db, id, { ...body, secret: body.password === '' ? '' : secrets.encrypt(body.password) });
        await writeAudit(db, { actor: actor.name, action: 'node.bmc', target: `node/${id}`, detail: { driver: body.driver, address: body.address } });
        return await readNode(db, id);
      },
    }),
    defineRoute({
      method: 'put',
      path: '/nodes/:key/power',
      scope: 'operator',
      tag,
      summary: 'Switch the machine; answers when its BMC agrees',
      params: byKey,
      body: s.powerPutSchema,
      answer: s.nodeSchema,
      refusals: [409, 502, 504],
      async handle({ params, body, actor, call }) {
        const id = await nodeId(db, params.key);
        if (power === undefined) throw notConfigured('no power drivers');
        const bmc = await db.prisma.bmc.findUnique({ where: { nodeId: id }, select: { nodeId: true } });
        if (bmc === null) throw new ConflictError(`node '${params.key}' has no BMC: PUT /api/v2/nodes/${params.key}/bmc first`, { code: 'no-bmc' });
        await writeAudit(db, { actor: actor.name, action: `node.power-${body.action}`, target: `node/${id}` });
        await power({ nodeId: id, action: body.action, nextBoot: body.next_boot ?? null, signal: AbortSignal.any([call.signal, AbortSignal.timeout(POWER_MS)]) });
        return await readNode(db, id);
      },
    }),
  ];
}

function notConfigured(what: string): AppError {
  return new AppError('not-configured', 503, false, `this server has ${what}`);
}

type StoredBmc = { driver: string; address: string; port: number; username: string; secret: string };

async function storeBmc(db: Db, id: number, bmc: StoredBmc): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ version: number }>('UPDATE nodes SET version = version + 1 WHERE id = $1 RETURNING version', [id]);
    const node = rows[0];
    if (node === undefined) throw new NotFoundError('node', id);
    await tx.query(
      `INSERT INTO bmcs (node_id, driver, address, port, username, secret) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (node_id) DO UPDATE SET driver = $2, address = $3, port = $4, username = $5, secret = $6, power = 'unknown', last_error = NULL, checked_at = NULL`,
      [id, bmc.driver, bmc.address, bmc.port, bmc.username, bmc.secret],
    );
    await writeEvents(tx, [nodeChanged(id, node.version, ['bmc'])]);
  });
  notify(db.pool);
}
