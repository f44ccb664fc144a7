/** `/nodes/:key/bmc` and `/nodes/:key/power`: how a machine is switched, and switching it. */
import { z } from 'zod';
import { giveBmcAddress } from '../../networks/bmc-address.js';
import { setBmc } from '../../power/bmcs.js';
import { noteOperatorPower } from '../../power/orders.js';
import { AppError, ConflictError, TimeoutError, ValidationError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import type { ApiDeps } from '../deps.js';
import { nodeId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { readNode } from '../views/node.js';

const byKey = z.object({ key: s.keySchema });
const tag = 'nodes';

/** A BMC answers in seconds, a machine that boots slowly turns on in ten: beyond this it is an error. */
const POWER_MS = 60_000;

export function nodePowerRoutes({ db, power, secrets }: Pick<ApiDeps, 'db' | 'power' | 'secrets'>): Route[] {
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
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await nodeId(db, params.key);
        if (secrets === undefined) throw notConfigured('no key to encrypt BMC passwords with');
        const { mac, address: said, ...spec } = body;
        if (said !== undefined && mac !== undefined) throw macWithAddress();
        const address = said ?? (await giveBmcAddress(db, id, mac));
        await setBmc(db, secrets, id, { ...spec, address });
        await writeAudit(db, { actor: actor.name, action: 'node.bmc', target: `node/${id}`, detail: { driver: body.driver, address } });
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
        // Before it is switched: the engine must not take it for a machine that went off by itself.
        await noteOperatorPower(db, id, body.action, actor.name);
        const tooLong = AbortSignal.timeout(POWER_MS);
        await power({ nodeId: id, action: body.action, nextBoot: body.next_boot ?? null, signal: AbortSignal.any([call.signal, tooLong]) }).catch(
          (error: unknown) => {
            throw tooLong.aborted ? new TimeoutError(`the BMC did not get it done in ${POWER_MS / 1000} s`, { cause: error }) : error;
          },
        );
        return await readNode(db, id);
      },
    }),
  ];
}

/** What the operator gives is his own affair; a reservation for it is an allocation. */
function macWithAddress(): ValidationError {
  const message = 'is for an address that Prybar gives; leave one of the two out, or reserve it: prybar allocations create';
  return new ValidationError(`mac: ${message}`, [{ field: 'mac', message }]);
}

function notConfigured(what: string): AppError {
  return new AppError('not-configured', 503, false, `this server has ${what}`);
}
