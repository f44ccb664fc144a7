import { setTimeout as delay } from 'node:timers/promises';
import { ClientError, everyItem, type Client, type Node } from '../client/client.js';
import type { Rack } from './rack.js';
import type { Emit } from './rack-events.js';

/** While machines are missing the list is read this often; afterwards only to see nodes that came anew. */
const BUSY_POLL_MS = 1_000;
const CALM_POLL_MS = 10_000;
/** Registrations at once: each is one small transaction. */
const REGISTRATIONS_AT_ONCE = 8;

/**
 * Follows the API's nodes and gives each one that is a machine of this rack its BMC, as an operator would who has the list
 * of serial numbers and switch ports. `complete` is called once, with the nodes in the machines' order, when every machine is
 * a node, registered and alive. Ends when the signal fires; an API that is away is waited for.
 */
export async function enrolNodes(client: Client, rack: Rack, emit: Emit, complete: (nodes: Node[]) => void, signal: AbortSignal): Promise<void> {
  const registered = new Set<number>();
  let isComplete = false;
  while (!signal.aborted) {
    try {
      const nodes = await nodesOfRack(client, rack, signal);
      await registerAll(client, rack, nodes, registered, emit, signal);
      const isReady = nodes.length === rack.machines.size && nodes.every((node) => node.alive);
      if (isReady && !isComplete) {
        isComplete = true;
        complete(nodes);
      }
    } catch (error) {
      // The server restarts, or a node was deleted between list and registration: the next round sees what is true then.
      if (!(error instanceof ClientError)) throw error;
    }
    await delay(isComplete ? CALM_POLL_MS : BUSY_POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The nodes whose serial number is one of ours, in the order of the rack. */
async function nodesOfRack(client: Client, rack: Rack, signal: AbortSignal): Promise<Node[]> {
  const bySerial = new Map<string, Node>();
  for await (const node of everyItem(async (after) => client.nodes.list({ limit: 500, ...(after === undefined ? {} : { after }) }, { signal }))) {
    if (node.serial !== null) bySerial.set(node.serial, node);
  }
  return [...rack.machines.keys()].flatMap((serial) => bySerial.get(serial) ?? []);
}

async function registerAll(client: Client, rack: Rack, nodes: readonly Node[], registered: Set<number>, emit: Emit, signal: AbortSignal): Promise<void> {
  const waiting = nodes.filter((node) => !registered.has(node.id));
  const register = async () => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      if (!isRegistered(node, rack)) {
        const { host, port, username, password } = rack.bmc;
        await client.nodes.setBmc(node.id, { driver: 'simulated', address: host, port, username, password }, { signal });
      }
      registered.add(node.id);
      emit({ event: 'enrolled', serial: node.serial ?? '', node: node.name, nodes: registered.size, of: rack.machines.size });
    }
  };
  await Promise.all(Array.from({ length: REGISTRATIONS_AT_ONCE }, register));
}

/** Registered by an earlier start of the same rack, whose password is still good. */
function isRegistered(node: Node, rack: Rack): boolean {
  const { bmc } = node;
  return !rack.bmc.fresh && bmc?.driver === 'simulated' && bmc.address === rack.bmc.host && bmc.port === rack.bmc.port && bmc.username === rack.bmc.username;
}
