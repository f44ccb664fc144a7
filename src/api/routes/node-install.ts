/** Callbacks of an installer: the disk is claimed, the system is installed (netboot-rules 18, 20, 22). */
import { completeInstall, markWiping } from '../../bootenvs/installs.js';
import { completeByAddress } from '../../bootenvs/legacy-callback.js';
import { NotFoundError } from '../../shared/errors.js';
import { bearerToken } from '../auth.js';
import type { NodeRouterDeps } from '../deps.js';
import { refuseToken, tokenOfNode } from '../node-auth.js';
import * as n from '../node-schemas.js';
import { defineNodeRoute, type Call, type Route } from '../route.js';

const tag = 'machines';

type Report = { disk?: string | undefined; loader_path?: string | undefined; esp_uuid?: string | undefined };

export function installRoutes(deps: NodeRouterDeps): Route[] {
  return [
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/installing',
      tag,
      summary: 'The installer has claimed its disk: from here on a second boot does not install again (install token)',
      params: n.nodePathSchema,
      body: n.installingSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        const { installId } = await tokenOfNode(deps.db, call, 'install', params.id);
        if (installId === null) throw await refuseToken(deps.db, call, params.id, 'the install token is of no installation');
        const { disk, boot_id: bootId, progress } = body ?? {};
        await markWiping(deps.db, { installId, disk: disk ?? null, bootId: bootId ?? null, source: call.address, progress: progress ?? null });
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/bootenv-local',
      tag,
      summary: 'The system is installed: boot it from disk from now on; repeating the call gets the first answer (install token)',
      params: n.nodePathSchema,
      body: n.bootenvLocalSchema,
      answer: n.bootenvLocalAnswerSchema,
      acceptsForm: true,
      refusals: [409],
      handle: ({ params, body, call }) => complete(deps, call, params.id, bearerToken(call.req.headers.authorization) ?? body?.token, body ?? {}),
    }),
    defineNodeRoute({
      method: 'get',
      path: '/node/:id/bootenv-local/:token',
      tag,
      summary: 'The same for programs that can only fetch; HEAD, a range and a prefetch do nothing',
      params: n.nodeTokenPathSchema,
      answer: n.bootenvLocalAnswerSchema,
      refusals: [409],
      async handle({ params, call }) {
        if (isOnlyLooking(call)) return undefined;
        return await complete(deps, call, params.id, bearerToken(`Bearer ${params.token}`), {});
      },
    }),
    ...(['get', 'post'] as const).map((method) =>
      defineNodeRoute({
        method,
        path: '/boot-default/',
        tag,
        summary:
          'The system is installed, without a token, for old kickstarts: only where the network allows it, only of the machine that has the caller’s address',
        answer: n.bootDefaultAnswerSchema,
        acceptsForm: true,
        refusals: [404],
        async handle({ call }) {
          if (method === 'get' && isOnlyLooking(call)) return undefined;
          const done = await completeByAddress(deps.db, call.address);
          // One answer for every reason: an address is not told what there is to know about it.
          if (done === null) throw new NotFoundError('installation open for', 'this address');
          return { install_id: done.installId, proven: false as const };
        },
      }),
    ),
  ];
}

async function complete({ db, config }: NodeRouterDeps, call: Call, nodeId: number, plain: string | undefined, report: Report) {
  const { disk, loader_path: loaderPath, esp_uuid: espUuid } = report;
  const done = await completeInstall(db, {
    nodeId,
    token: plain,
    source: call.address,
    report: { disk: disk ?? null, loaderPath: loaderPath ?? null, espUuid: espUuid ?? null },
  });
  const node = await db.prisma.node.findUniqueOrThrow({ where: { id: nodeId }, select: { id: true, name: true } });
  return {
    install_id: done.installId,
    node,
    disk_token: done.diskToken,
    agent: { url: `http://${hostFor(call, config)}:${config.bootHttpPort}`, heartbeat_seconds: config.heartbeatSeconds },
  };
}

/** The address of ours that the machine knows a way to: with several interfaces the one it has just reached. */
function hostFor({ req }: Call, config: NodeRouterDeps['config']): string {
  const reached = req.socket.localAddress?.replace(/^::ffff:/, '');
  return (config.interfaces?.length ?? 0) > 1 && reached !== undefined ? reached : config.bootHost;
}

/** HEAD, a range request or a browser's prefetch looks at an address; it does not mean it. */
function isOnlyLooking({ req }: Call): boolean {
  const purpose = String(req.headers['sec-purpose'] ?? req.headers['purpose'] ?? req.headers['x-moz'] ?? '');
  return req.method !== 'GET' || req.headers.range !== undefined || /prefetch/i.test(purpose);
}
