/** The process machines boot from: DHCP, TFTP, DNS, boot HTTP with the node callbacks. Wiring only. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import express from 'express';
import { kickAfter } from '../api/kick.js';
import { createNodeRouter } from '../api/routes/node.js';
import { createWorkWake } from '../api/work-wake.js';
import { createLeaseLookup } from '../bootenvs/leased.js';
import { lateRegistry, type LateRegistry } from '../bootenvs/late-registry.js';
import { openLiveRegistry } from '../bootenvs/live-registry.js';
import { depsAt, factsOfOffer, type OfferDeps } from '../bootenvs/offer.js';
import { createRenderedFiles } from '../bootenvs/rendered-files.js';
import { BOOT_SERVER_OPTIONS, limitServer } from '../boot-http/limits.js';
import { createBootHandler, type BootHandler } from '../boot-http/serve.js';
import { withTransaction } from '../db/client.js';
import { describeOwners, findUdpOwners } from '../dhcp/port-owner.js';
import { DhcpServer } from '../dhcp/server.js';
import { alarm, type DomainEvent } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { phaseOfDhcp } from '../nodes/boot-phases.js';
import { reportTransfers } from '../nodes/transfer-report.js';
import { LiveTransfers } from '../nodes/transfers.js';
import { createPhaseRecorder, type PhaseRecorder } from '../nodes/phase-recorder.js';
import { reportServer } from '../nodes/server-report.js';
import { ConfigError } from '../shared/errors.js';
import { FileCache } from '../shared/file-cache.js';
import { TftpServer } from '../tftp/server.js';
import { startDns } from './boot-dns.js';
import { startBootHttps } from './boot-https.js';
import { isMain, runProcess, type Context, type Part } from './context.js';
import { startExternal } from './external.js';
import { bootAddresses, socketPlan } from './segment.js';

/** Life of what a discovery script carries: one boot. Seconds. */
const BOOT_TOKEN_SECONDS = 3600;

export async function startBoot(context: Context): Promise<Part> {
  const { db, log } = context;
  const phases = createPhaseRecorder(db, { log });
  const macOf = createLeaseLookup(db.pool);
  const files: Files = { cache: new FileCache(), transfers: new LiveTransfers() };
  const report = reportTransfers(db.pool, files.transfers, log);
  // Closed last: what the servers end is still told.
  const started: Part[] = [{ close: () => phases.close() }, { close: () => report.close() }];
  const close = async () => {
    for (const part of started.reverse()) await part.close();
  };
  try {
    const registry = lateRegistry(() => openLiveRegistry({ home: context.config.home, pool: db.pool, log: log.child({ service: 'bootenvs' }) }));
    started.push(registry);
    const deps = bootDeps(context, registry, macOf, files);
    started.push(await startTftp(context, phases, deps));
    started.push(await startHttp(context, phases, deps));
    started.push(await startDns(context));
    // DHCP last of the servers: nobody is sent to one that does not listen yet.
    started.push(await startDhcp(context, phases));
    await registry.open();
    started.push(await startExternal(context));
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startDhcp({ db, config, log }: Context, phases: PhaseRecorder): Promise<Part> {
  const server = new DhcpServer({
    pool: db.pool,
    logger: log.child({ service: 'dhcp' }),
    sockets: socketPlan(config),
    server: { id: randomUUID(), host: config.bootHost, incarnation: `${process.pid}` },
    boot: { ...(config.interfaces.length === 0 ? { host: config.bootHost } : {}), httpPort: config.bootHttpPort },
    // A client asks port 53; on another port ours is for who knows.
    servesDns: config.dnsAddresses.length > 0 && config.dnsPort === 53,
    minSecs: config.dhcpMinSecs,
    onAlarm: ({ code, networkId, message, mac }) => raiseAlarm(db, alarm('network', networkId, code, message, { mac }), log),
    wantsEvents: (mac) => phases.wants(mac),
    onEvent: (event) =>
      phases.record({
        mac: event.mac,
        kind: event.kind,
        phase: phaseOfDhcp(event.client),
        detail: [event.address, event.detail].filter(Boolean).join(', '),
        at: event.at,
        data: { address: event.address, relay: event.relay, arch: event.client.arch, vendor_class: event.client.vendorClass, ...event.facts },
      }),
  });
  await server.start();
  return { close: () => server.close() };
}

/** The database may be away while machines boot: the log then has the alarm alone. */
function raiseAlarm(db: Context['db'], event: DomainEvent, log: Context['log']): void {
  withTransaction(db.pool, (tx) => writeEvents(tx, [event]))
    .then(() => notify(db.pool))
    .catch((error: unknown) => log.warn({ err: error }, 'alarm not written'));
}

type MacOf = ReturnType<typeof createLeaseLookup>;
/** What the servers of files share. */
type Files = { cache: FileCache; transfers: LiveTransfers };
type BootDeps = OfferDeps & Files & { macOf: MacOf; bootenvsRead: Promise<void> };

/** What scripts and other rendered files are made from. */
function bootDeps({ db, config, log }: Context, registry: LateRegistry, macOf: MacOf, files: Files): BootDeps {
  return {
    db,
    home: config.home,
    log: log.child({ service: 'boot-http' }),
    baseUrl: `http://${config.bootHost}:${config.bootHttpPort}`,
    // Several networks: as DHCP, which names the address that it heard the machine at.
    ...(config.interfaces.length === 0 ? {} : { baseUrlAt: (address: string) => `http://${address}:${config.bootHttpPort}` }),
    registry: () => registry.current(),
    bootenvsRead: registry.ready,
    bootTokenSeconds: BOOT_TOKEN_SECONDS,
    installTokenSeconds: config.installDeadlineSeconds + BOOT_TOKEN_SECONDS,
    macOf,
    ...files,
  };
}

async function startTftp({ db, config, log }: Context, phases: PhaseRecorder, deps: BootDeps): Promise<Part> {
  const places = createRenderedFiles(deps);
  const server = new TftpServer({
    addresses: bootAddresses(config),
    port: config.tftpPort,
    root: path.join(config.home, 'loaders'),
    cache: deps.cache,
    transfers: deps.transfers,
    log: log.child({ service: 'tftp' }),
    macOf: deps.macOf,
    async virtualFiles(name, { address, localAddress }) {
      await deps.bootenvsRead;
      const file = await createRenderedFiles(depsAt(deps, localAddress)).text(name, { address, look: false });
      // The same step as over HTTP: what reads the timeline asks what was decided, not how it travelled.
      if (file?.mac && file.offer) {
        phases.record({
          mac: file.mac,
          kind: 'http-script',
          phase: 'script',
          detail: file.offer.detail,
          at: new Date(),
          data: { address, ...factsOfOffer(file.offer) },
        });
      }
      return file?.text;
    },
    otherPlaces: (name) => places.directory(name),
    onEvent: ({ mac, kind, phase, detail, at, address, facts }) => {
      if (mac !== null) phases.record({ mac, kind, phase, detail, at, data: { address, ...facts } });
    },
  });
  await server.start().catch(async (cause: unknown) => {
    const owners = await findUdpOwners(config.tftpPort);
    throw new ConfigError(
      `PRYBAR_TFTP_PORT: cannot listen on UDP port ${config.tftpPort} (${cause instanceof Error ? cause.message : String(cause)})` +
        (owners.length === 0 ? '' : `: held by ${describeOwners(owners)}`),
      'stop what uses the port, or set PRYBAR_TFTP_PORT to another',
      { cause },
    );
  });
  const report = reportServer(db.pool, { kind: 'tftp', host: config.bootHost, incarnation: `${process.pid}`, counters: () => server.counters() }, log);
  return {
    async close() {
      await report.close();
      await server.close();
    },
  };
}

async function startHttp(context: Context, phases: PhaseRecorder, deps: BootDeps): Promise<Part> {
  const { db, config, log } = context;
  const handlerOf = (scheme: 'http' | 'https', port: number) =>
    createBootHandler({
      ...deps,
      baseUrl: `${scheme}://${config.bootHost}:${port}`,
      // Several networks: as DHCP, which names the address that it heard the machine at.
      ...(config.interfaces.length === 0 ? {} : { baseUrlAt: (address: string) => `${scheme}://${address}:${port}` }),
      onEvent: ({ mac, kind, phase, detail, at, address, facts }) => {
        if (mac !== null) phases.record({ mac, kind, phase, detail, at, data: { address, ...facts } });
      },
    });
  const boot = handlerOf('http', config.bootHttpPort);
  const closing = new AbortController();
  const nodes = express()
    .disable('x-powered-by')
    .disable('etag')
    .set('trust proxy', false)
    .use(createNodeRouter({ db, config, log, wakeWork: createWorkWake(db), closing: closing.signal }));
  const answerBy = (handler: BootHandler) => (req: IncomingMessage, res: ServerResponse) => {
    kickAfter(() => context.doorbell.kick(), req, res);
    void deps.bootenvsRead
      .then(() => handler(req, res))
      .then((answered) => {
        if (!answered) nodes(req, res);
      });
  };
  const server = createServer(BOOT_SERVER_OPTIONS, answerBy(boot));
  limitServer(server);
  await listen(server, config.interfaces.length === 0 ? config.bootHost : '0.0.0.0', config.bootHttpPort);
  const handshakeFailed = (address: string, reason: string) =>
    void deps.macOf(address).then((mac) => {
      if (mac !== null) phases.record({ mac, kind: 'tls-failed', phase: null, detail: reason, at: new Date(), data: { address, reason } });
    });
  const secure =
    config.bootHttpsPort === undefined ? undefined : await startBootHttps(config, answerBy(handlerOf('https', config.bootHttpsPort)), log, handshakeFailed);
  const report = reportServer(db.pool, { kind: 'http', host: config.bootHost, incarnation: `${process.pid}`, counters: () => boot.counters() }, log);
  return {
    async close() {
      closing.abort();
      await report.close();
      await secure?.close();
      server.close();
      server.closeIdleConnections();
      // A kernel on its way may finish; what hangs longer is cut.
      setTimeout(() => server.closeAllConnections(), 2000).unref();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening').catch((cause: unknown) => {
    throw new ConfigError(
      `PRYBAR_BOOT_HTTP_PORT: cannot listen on ${host}:${port} (${cause instanceof Error ? cause.message : String(cause)})`,
      'stop what uses the port, or set PRYBAR_BOOT_HTTP_PORT to another',
      { cause },
    );
  });
}

if (isMain(import.meta.url)) await runProcess('boot', [startBoot]);
