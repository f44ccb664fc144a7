/** DNS as a part of the boot process. Wiring only. */
import { randomUUID } from 'node:crypto';
import { DnsServer } from '../dns/server.js';
import { openHints } from '../events/hints.js';
import type { Context, Part } from './context.js';

/** Nothing where PRYBAR_DNS is off. */
export async function startDns({ db, config, log }: Context): Promise<Part> {
  if (config.dnsAddresses.length === 0) return { close: async () => undefined };
  const server = new DnsServer({
    pool: db.pool,
    logger: log.child({ service: 'dns' }),
    server: { id: randomUUID(), host: config.bootHost, incarnation: `${process.pid}` },
    listen: config.dnsAddresses.map((address) => ({ address, port: config.dnsPort })),
    upstreams: config.dnsForward,
    clients: config.dnsClients,
  });
  await server.start();
  // Who gives an address writes an event: the name is served without waiting for the poll.
  const hints = openHints(db.url, log);
  hints.onHint(() => server.kick());
  return {
    async close() {
      await hints.close();
      await server.close();
    },
  };
}
