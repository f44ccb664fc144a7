/** What most tests of the lab stand on: one segment, a host on it, and the boot service on that host as its own process. */
import type { Background } from './command.js';
import { openSite, startService, type ServiceOptions, type Site } from './service.js';
import { whyNoWorld, World, type Port } from './world.js';

/** The address of the boot service. */
export const SERVER = '10.77.0.1';

/** The segment is called `lan`, its block is 10.77.0.0/24. */
export type LanParts = { world: World; site: Site; server: Port };
export type Lan = LanParts & { service: Background; close(): Promise<void> };

/** `unless`: a reason of the test's own not to open it; `service`: words for the boot service. */
export type LanOptions = { unless?: () => string | undefined | Promise<string | undefined>; service?: ServiceOptions };

/**
 * Opens it; `prepare` adds what is there before the service starts (its networks, other hosts). Undefined where this machine
 * cannot have it: then it is said what is left out.
 */
export async function openLan(what: string, prepare: (lan: LanParts) => Promise<void>, { unless, service: words }: LanOptions = {}): Promise<Lan | undefined> {
  const reason = (await whyNoWorld()) ?? (await unless?.());
  if (reason !== undefined) {
    process.stderr.write(`left out: ${what} ${reason}\n`);
    return undefined;
  }
  const open: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of open.splice(0).reverse()) await end();
  };
  try {
    const site = await openSite();
    open.push(() => site.close());
    const world = await World.create();
    open.push(() => world.close());
    await world.addSegment('lan');
    const server = await world.addHost('server', 'lan', { address: `${SERVER}/24` });
    await prepare({ world, site, server });
    const service = await startService(site, server.ns, words);
    open.push(() => service.stop());
    return { world, site, server, service, close };
  } catch (error) {
    await close();
    throw error;
  }
}
