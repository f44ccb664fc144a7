/** PURE: what an import of another server's hosts and leases would do here, and what stands against it. */
import { parseIpv4, parseSubnet, subnetContains } from '../shared/ipv4.js';
import { isHostAddress } from './address.js';

/** What a file tells of one machine (src/interchange/import/found.ts). */
export type ImportHost = {
  line: number;
  kind: 'reservation' | 'lease';
  mac: string;
  address: string;
  hostname: string | null;
  /** Seconds since 1970; null: never. */
  expiresAt: number | null;
};

export type ImportProblem = { line: number; message: string; fix: string; blocking: boolean };

/** `exists`: it is so already; `ended`: a lease that is over; `skipped`: on another network than the one asked for, a lease that nobody asked for, or one of a machine with an address of its own. */
export type ImportAction = 'create' | 'exists' | 'ended' | 'skipped';
export type ImportStep = ImportHost & { action: ImportAction; network: string; networkId: number; node: string | null; nodeId: number | null };

export type ImportState = {
  networks: readonly { id: number; name: string; subnet: string; routers: readonly string[] }[];
  reservations: readonly { network_id: number; address: string; mac: string | null; whose: string }[];
  /** Active ones that have not ended. */
  leases: readonly { network_id: number; address: string; mac: string }[];
  nodes: readonly { mac: string; node_id: number; name: string }[];
};

export type ImportWish = { nowSeconds: number; networkId: number | null; withLeases: boolean; subnets: readonly string[] };

export type ImportPlan = { steps: ImportStep[]; problems: ImportProblem[] };

/** One step for each host that could be placed, in the order of the file. */
export function planImport(hosts: readonly ImportHost[], state: ImportState, wish: ImportWish): ImportPlan {
  const places = placesOf(state);
  const plan: ImportPlan = { steps: [], problems: [] };
  for (const host of hosts) {
    const network = places.networks.find(({ block }) => subnetContains(block, parseIpv4(host.address) ?? 0));
    if (network === undefined) {
      plan.problems.push(strayProblem(host, wish.subnets));
      continue;
    }
    const node = places.nodeOf.get(host.mac);
    const found = { ...host, network: network.name, networkId: network.id, node: node?.name ?? null, nodeId: node?.node_id ?? null };
    const verdict = judge(found, network, places, wish);
    if (typeof verdict === 'string') plan.steps.push({ ...found, action: verdict });
    else plan.problems.push({ line: host.line, ...verdict, blocking: true });
  }
  return plan;
}

type Place = { address: string; mac: string | null; whose: string; line: number | null };
type Places = ReturnType<typeof placesOf>;

/** What is taken, by address and by network and MAC; the steps of this import are added as they are planned. */
function placesOf(state: ImportState) {
  const networks = state.networks.flatMap((network) => {
    const block = parseSubnet(network.subnet);
    return block === undefined ? [] : [{ ...network, block }];
  });
  const reserved = new Map<string, Place>();
  const leased = new Map<string, Place>();
  for (const { network_id: id, address, mac, whose } of state.reservations) put(reserved, id, { address, mac, whose, line: null });
  for (const { network_id: id, address, mac } of state.leases) put(leased, id, { address, mac, whose: `the lease of ${mac}`, line: null });
  return { networks, reserved, leased, nodeOf: new Map(state.nodes.map((node) => [node.mac, node])) };
}

function put(places: Map<string, Place>, networkId: number, place: Place): void {
  places.set(place.address, place);
  if (place.mac !== null) places.set(`${networkId} ${place.mac}`, place);
}

type Verdict = ImportAction | { message: string; fix: string };

function judge(host: Omit<ImportStep, 'action'>, network: Places['networks'][number], places: Places, wish: ImportWish): Verdict {
  if (wish.networkId !== null && wish.networkId !== network.id) return 'skipped';
  if (host.kind === 'lease' && !wish.withLeases) return 'skipped';
  if (host.kind === 'lease' && host.expiresAt !== null && host.expiresAt <= wish.nowSeconds) return 'ended';
  const { address, mac } = host;
  if (!isHostAddress(network.block, parseIpv4(address) ?? 0))
    return { message: `${address} is no host address of ${network.subnet}`, fix: 'correct the address in the file' };
  if (network.routers.includes(address)) return { message: `${address} is a router of network ${network.name}`, fix: 'correct the address in the file' };
  const own = places.reserved.get(`${network.id} ${mac}`);
  const at = places.reserved.get(address);
  if (at !== undefined && at.mac === mac) return 'exists';
  if (at !== undefined) return taken(address, at);
  // The machine gets its own address when it renews.
  if (own !== undefined && host.kind === 'lease') return 'skipped';
  if (own !== undefined) return { message: `${mac} has ${own.address} ${since(own)} already`, fix: fixOf(own) };
  const lease = places.leased.get(address);
  if (lease !== undefined && lease.mac !== mac) return taken(address, lease, `prybar leases release ${address}, or leave it out`);
  if (host.kind === 'lease') {
    if (lease !== undefined) return 'exists';
    const other = places.leased.get(`${network.id} ${mac}`);
    if (other !== undefined)
      return { message: `${mac} holds ${other.address} by lease ${since(other)}`, fix: `prybar leases release ${other.address}, or leave it out` };
  }
  put(host.kind === 'lease' ? places.leased : places.reserved, network.id, { address, mac, whose: host.hostname ?? mac, line: host.line });
  return 'create';
}

const since = ({ line }: Place): string => (line === null ? 'here' : `by line ${line}`);
const fixOf = ({ line }: Place): string => (line === null ? 'delete that allocation, or leave the line out' : 'leave one of the two lines out');

function taken(address: string, place: Place, fix = fixOf(place)): Verdict {
  return { message: `${address} belongs to ${place.whose} ${since(place)}`, fix };
}

/** A /24 is what most have; the file may know better. */
function strayProblem({ line, address }: ImportHost, subnets: readonly string[]): ImportProblem {
  const declared = subnets.find((text) => {
    const block = parseSubnet(text);
    return block !== undefined && subnetContains(block, parseIpv4(address) ?? 0);
  });
  const subnet = declared ?? `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
  return { line, message: `${address} is in no network of Prybar`, fix: `prybar networks create NAME ${subnet}`, blocking: true };
}
