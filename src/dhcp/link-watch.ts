/**
 * What happens on the links beside clients' messages: an interface loses its address or gets another one, another DHCP server
 * answers, a client waits for a router.
 *
 * Loss of the address: the interface is silent, and says so. Another address: it is the server's from then on; clients that renew
 * at the old one go on to broadcast and find the new. An interface that is taken away and comes back is a new one to the
 * kernel: our socket hears it no more, which only a new start mends, and the alarm says so.
 */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { formatIpv4 } from '../shared/ipv4.js';
import type { DhcpAlarm } from './alarms.js';
import { networkOfAddress, type Network } from './network.js';
import { watchRivals, type Rival } from './rivals.js';
import { advertiseRouter } from './router-advertiser.js';
import type { Endpoint } from './endpoint.js';

export type LinkWatchDeps = {
  readonly endpoints: readonly Endpoint[];
  /** Filled and kept up to date: the addresses that mean this server. */
  readonly serverIds: number[];
  readonly networks: () => readonly Network[];
  /** Addresses of Prybar's other DHCP servers: no rivals. */
  readonly peerIds: () => readonly number[];
  readonly logger: Logger;
  readonly alarm: (alarm: DhcpAlarm) => void;
};

const LOOK_EVERY_MS = 2_000;
const ASK_EVERY_MS = 300_000;
/** A rival answers every client; it is one alarm in ten minutes. */
const REPEAT_MS = 600_000;

export class LinkWatch {
  readonly #deps: LinkWatchDeps;
  readonly #stops: (() => void)[] = [];
  readonly #toldAtMs = new Map<string, number>();
  readonly #indexes = new Map<Endpoint, string | undefined>();
  #looking: Promise<void> | undefined;

  constructor(deps: LinkWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { endpoints, networks } = this.#deps;
    this.#noteAddresses();
    for (const endpoint of endpoints) {
      this.#indexes.set(endpoint, interfaceIndex(endpoint.name));
      const { packets } = endpoint;
      if (packets === undefined) continue;
      const rivals = watchRivals(
        packets,
        () => [...this.#deps.serverIds, ...this.#deps.peerIds()],
        (rival) => this.#tellRival(endpoint, rival),
      );
      rivals.ask();
      this.#every(ASK_EVERY_MS, rivals.ask);
      this.#stops.push(
        rivals.stop,
        advertiseRouter(packets, () => endpoint.address, networks),
      );
    }
    this.#every(LOOK_EVERY_MS, () => {
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    });
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await this.#looking;
  }

  #every(ms: number, act: () => void): void {
    const timer = setInterval(act, ms);
    timer.unref();
    this.#stops.push(() => clearInterval(timer));
  }

  async #look(): Promise<void> {
    const { endpoints, logger } = this.#deps;
    for (const endpoint of endpoints) {
      try {
        if (await endpoint.refresh()) {
          const said = { interface: endpoint.name, address: formatIpv4(endpoint.address) };
          if (endpoint.address === 0) logger.warn(said, 'interface has no address: nothing is answered on it');
          else logger.info(said, 'interface has another address: it is the server identifier now');
        }
      } catch (error) {
        logger.warn({ err: error, interface: endpoint.name }, 'interface cannot be served at its new address');
      }
      this.#lookForNewInterface(endpoint);
    }
    this.#noteAddresses();
  }

  #lookForNewInterface(endpoint: Endpoint): void {
    const before = this.#indexes.get(endpoint);
    const index = interfaceIndex(endpoint.name);
    if (before === undefined || index === undefined || index === before) return;
    this.#indexes.set(endpoint, index);
    this.#deps.alarm({
      ...this.#placeOf(endpoint),
      code: 'dhcp-interface',
      mac: '',
      message: `interface ${endpoint.name} was taken away and made anew: its socket hears nothing; restart the boot service`,
    });
  }

  #tellRival(endpoint: Endpoint, rival: Rival): void {
    const key = `${endpoint.name} ${rival.serverId}`;
    const nowMs = performance.now();
    if (nowMs - (this.#toldAtMs.get(key) ?? -Infinity) < REPEAT_MS) return;
    this.#toldAtMs.set(key, nowMs);
    const place = this.#placeOf(endpoint);
    const does = rival.offered === '0.0.0.0' ? 'answers boot clients' : `offers ${rival.offered}`;
    this.#deps.alarm({
      ...place,
      code: 'dhcp-rival',
      mac: rival.mac ?? '',
      message:
        `another DHCP server, ${rival.serverId}${rival.mac === null ? '' : ` (${rival.mac})`}, ${does} on ${endpoint.name}: ` +
        `stop it, or set the DHCP mode of network ${place.network} to proxy`,
    });
  }

  #placeOf(endpoint: Endpoint): { networkId: number; network: string } {
    const network = networkOfAddress(this.#deps.networks(), endpoint.address);
    return { networkId: network?.id ?? 0, network: network?.name ?? endpoint.name };
  }

  #noteAddresses(): void {
    const addresses = this.#deps.endpoints.map((endpoint) => endpoint.address).filter((address) => address !== 0);
    this.#deps.serverIds.splice(0, Infinity, ...new Set(addresses));
  }
}

/** The kernel's number of an interface; undefined when there is none of that name. */
function interfaceIndex(name: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
