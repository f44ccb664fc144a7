/**
 * Networks that exist only for a test: Ethernet segments (bridges in a namespace of their own) and machines on them (a
 * namespace each). Needs root and iproute2; nothing of it touches the machine's own interfaces. What a killed run left
 * behind is removed by the next one: the names carry the process id.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { killHard } from '../../support/our-processes.js';

const run = promisify(execFile);

export type Port = {
  /** Namespace of the machine; the name of its interface in there. */
  readonly ns: string;
  readonly interface: string;
  readonly mac: string;
  /** Namespace and interface of the other end, at the bridge. */
  readonly switchNs: string;
  readonly switchPort: string;
};

export type PortWords = { mac?: string; /** `10.77.0.1/24` */ address?: string; interface?: string };

/** Why no world can be made here, or undefined when one can. Leaves nothing behind. */
export async function whyNoWorld(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = `labprobe${process.pid}`;
  try {
    await run('ip', ['netns', 'add', probe]);
    await run('ip', ['-n', probe, 'link', 'add', 'br0', 'type', 'bridge']);
    return undefined;
  } catch {
    return 'needs iproute2, network namespaces and bridges';
  } finally {
    await run('ip', ['netns', 'del', probe]).catch(() => undefined);
  }
}

export class World {
  readonly #prefix = `lab${process.pid}-`;
  readonly #namespaces = new Set<string>();
  #ports = 0;

  private constructor(readonly switchNs: string) {}

  static async create(): Promise<World> {
    await removeAbandoned();
    const world = new World(`lab${process.pid}-switch`);
    await world.#addNamespace(world.switchNs);
    return world;
  }

  /** A segment: a bridge that forwards at once, without spanning tree. */
  async addSegment(name: string): Promise<void> {
    await this.#ip(this.switchNs, 'link', 'add', name, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0');
    await this.#ip(this.switchNs, 'link', 'set', name, 'up');
  }

  /** A machine without any network yet; gives its namespace. */
  async addMachine(name: string): Promise<string> {
    const ns = `${this.#prefix}${name}`;
    await this.#addNamespace(ns);
    return ns;
  }

  /** Plugs an interface of a machine into a segment. */
  async plug(ns: string, segment: string, words: PortWords = {}): Promise<Port> {
    this.#ports += 1;
    const mac = words.mac ?? `52:54:00:ab:00:${this.#ports.toString(16).padStart(2, '0')}`;
    const port: Port = { ns, interface: words.interface ?? 'eth0', mac, switchNs: this.switchNs, switchPort: `port${this.#ports}` };
    const peer = ['peer', 'name', port.interface, 'address', mac, 'netns', ns];
    await this.#ip(this.switchNs, 'link', 'add', port.switchPort, 'type', 'veth', ...peer);
    await this.#ip(this.switchNs, 'link', 'set', port.switchPort, 'master', segment, 'up');
    if (words.address !== undefined) await this.#ip(ns, 'addr', 'add', words.address, 'dev', port.interface);
    await this.#ip(ns, 'link', 'set', port.interface, 'up');
    return port;
  }

  /** A new machine with one interface. */
  async addHost(name: string, segment: string, words: PortWords = {}): Promise<Port> {
    return this.plug(await this.addMachine(name), segment, words);
  }

  /** A tap device on a segment, for an emulator that runs in the switch's namespace. */
  async addTap(name: string, segment: string): Promise<void> {
    await this.#ip(this.switchNs, 'tuntap', 'add', 'dev', name, 'mode', 'tap');
    await this.#ip(this.switchNs, 'link', 'set', name, 'master', segment, 'up');
  }

  /** Ends what still runs in its namespaces and removes them; their interfaces go with them. */
  async close(): Promise<void> {
    for (const ns of this.#namespaces) await removeNamespace(ns);
    this.#namespaces.clear();
  }

  async #addNamespace(ns: string): Promise<void> {
    await run('ip', ['netns', 'add', ns]);
    this.#namespaces.add(ns);
    await this.#ip(ns, 'link', 'set', 'lo', 'up');
  }

  async #ip(ns: string, ...args: string[]): Promise<void> {
    await run('ip', ['-n', ns, ...args]);
  }
}

async function removeNamespace(ns: string): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'pids', ns]).catch(() => ({ stdout: '' }));
  for (const pid of stdout.split(/\s+/).filter(Boolean)) await killHard(Number(pid));
  await run('ip', ['netns', 'del', ns]).catch(() => undefined);
}

/** Namespaces of lab runs whose process is gone. */
async function removeAbandoned(): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list']);
  for (const [ns, pid] of stdout.matchAll(/^lab(\d+)-\S+/gm)) {
    if (pid !== undefined && !isTestProcess(Number(pid))) await removeNamespace(ns);
  }
}

function isTestProcess(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('jest');
  } catch {
    return false;
  }
}
