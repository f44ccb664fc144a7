/** A random graph of roles on machines: requirements on the node, clusters with their barrier, roles with their ways. */
import type { Random } from '../../support/random.js';
import type { World } from './world.js';

export type Shape = { nodes: number; roles: number };

const PHANTOM = 1000;

/** Fills an empty world; everything is PROPOSED then. Ids rise along the edges. */
export function buildGraph(world: World, random: Random, { nodes, roles }: Shape): void {
  for (let node = 1; node <= nodes; node++) world.addNode(node, 'machine');
  let id = 0;
  const placed = new Map<string, number>();
  for (let role = 0; role < roles; role++) {
    world.roles[role] = {
      destructive: random.chance(0.08),
      stay: random.chance(0.1),
      boot: random.chance(0.15),
      maxAttempts: random.between(1, 4),
      backoffMs: random.pick([0, 0, 1000, 3000]),
      softAfter: role > 0 && random.chance(0.3) ? [random.below(role)] : [],
    };
    const requires = [...new Set(Array.from({ length: role === 0 ? 0 : random.between(0, 3) }, () => random.below(role)))].sort((a, b) => a - b);
    // A role that others gather behind: its noderoles are members of one barrier, on a node of its own.
    const cluster = random.chance(0.25);
    for (let node = 1; node <= nodes; node++) {
      const parents = requires
        .map((required) => placed.get(`barrier ${required}`) ?? placed.get(`${required} ${node}`))
        .filter((parent) => parent !== undefined);
      world.addNodeRole(++id, node, role, parents, null);
      placed.set(`${role} ${node}`, id);
    }
    if (!cluster) continue;
    world.addNode(PHANTOM + role, 'phantom');
    const members = Array.from({ length: nodes }, (_, n) => placed.get(`${role} ${n + 1}`) ?? 0);
    // The barrier's own role: nothing of it may fail to be remembered by another boot.
    world.roles[roles + role] = { destructive: false, stay: false, boot: false, maxAttempts: 3, backoffMs: 0, softAfter: [] };
    world.addNodeRole(++id, PHANTOM + role, roles + role, members, { quorum: random.chance(0.4) ? random.between(1, nodes) : null });
    placed.set(`barrier ${role}`, id);
  }
}
