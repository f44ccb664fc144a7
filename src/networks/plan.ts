/**
 * PURE: which address each node gets on one network (engine.md 1.6). allocate_nodes in prisma/functions/82_allocate.sql does the
 * same for thousands at once; a property test holds them against each other.
 */
import { formatIpv4, parseIpv4, parseSubnet } from '../shared/ipv4.js';
import { isHostAddress } from './address.js';

/** A node that has no address on the network yet, in the order of ids. */
export type Wanting = {
  nodeId: number;
  /** What the operator said in `hint.addresses.<network>`. */
  hint: string | null;
  /** Its address on the admin network of the same group, and that network's block. */
  admin: { address: string; subnet: string } | null;
};

export type PlannedNetwork = { subnet: string; first: string; last: string };

/** The address of each node, null where the range is full. A wish counts when it lies in the range and nobody has it. */
export function planAddresses(network: PlannedNetwork, wanting: readonly Wanting[], taken: readonly string[]): Map<number, string | null> {
  const [first, last] = [parseIpv4(network.first) ?? 1, parseIpv4(network.last) ?? 0];
  const used = new Set(taken.map(parseIpv4));
  const given = new Map<number, number>();
  for (const node of wanting) {
    const wish = wishOf(network, node);
    if (wish === undefined || wish < first || wish > last || used.has(wish)) continue;
    used.add(wish);
    given.set(node.nodeId, wish);
  }
  let next = first;
  const planned = new Map<number, string | null>();
  for (const { nodeId } of wanting) {
    let address = given.get(nodeId);
    if (address === undefined) {
      while (used.has(next)) next += 1;
      if (next <= last) address = next;
      next += 1;
    }
    planned.set(nodeId, address === undefined ? null : formatIpv4(address));
  }
  return planned;
}

function wishOf(network: PlannedNetwork, { hint, admin }: Wanting): number | undefined {
  const subnet = parseSubnet(network.subnet);
  const hinted = hint === null ? undefined : parseIpv4(hint);
  if (subnet !== undefined && hinted !== undefined && isHostAddress(subnet, hinted)) return hinted;
  const home = admin === null ? undefined : parseSubnet(admin.subnet);
  const address = admin === null ? undefined : parseIpv4(admin.address);
  return subnet === undefined || home === undefined || address === undefined ? undefined : subnet.first + (address - home.first);
}
