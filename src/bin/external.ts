/** The process that drives DHCP and TFTP servers of the site from `PRYBAR_HOME/external.yml`. Wiring only. */
import { hostname } from 'node:os';
import type { BackEnd } from '../interchange/external/back-end.js';
import { dnsmasqServer } from '../interchange/external/dnsmasq-server.js';
import { followForServers } from '../interchange/external/follow.js';
import { iscServer } from '../interchange/external/isc-server.js';
import { omapiServer } from '../interchange/external/omapi-server.js';
import { pxelinuxServer } from '../interchange/external/pxelinux-server.js';
import { readExternalSettings, type ExternalSettings } from '../interchange/external/settings.js';
import { registerServers } from '../interchange/external/store.js';
import type { BootPlace } from '../interchange/host-records.js';
import { isMain, runProcess, type Context, type Part } from './context.js';

/** Nothing is started where the file names no server; the rows of those it named before are taken out. */
export async function startExternal({ db, config, log }: Context): Promise<Part> {
  const settings = await readExternalSettings(config.home);
  await registerServers(db.pool, hostname(), settings);
  if (settings.length === 0) return { close: () => Promise.resolve() };
  const place = { host: config.bootHost, httpPort: config.bootHttpPort };
  const follower = followForServers({
    pool: db.pool,
    log: log.child({ service: 'external' }),
    servers: settings.map((one) => ({ name: one.name, backEnd: backEndOf(one, place) })),
  });
  return { close: () => follower.close() };
}

function backEndOf(settings: ExternalSettings, place: BootPlace): BackEnd {
  switch (settings.kind) {
    case 'dnsmasq':
      return dnsmasqServer(settings, place);
    case 'isc-dhcpd':
      return iscServer(settings, place);
    case 'isc-omapi':
      return omapiServer(settings);
    case 'pxelinux':
      return pxelinuxServer(settings);
  }
}

if (isMain(import.meta.url)) await runProcess('external', [startExternal]);
