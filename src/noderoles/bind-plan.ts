/**
 * What binding roles to nodes makes: the noderoles that are missing, with their parents (engine.md 1.4). PURE; `bind.ts`
 * reads the snapshot and writes the answer. Where a requirement is looked for, in this order:
 *   1. on the same node, by name or by what a role provides, the lowest id first;
 *   2. unless the required role is implicit: in the deployment, then in its ancestors, the lowest id first;
 *   3. else it is made: a `service` role on the deployment's phantom node, any other on the same node.
 * A requirement of a `cluster` role is answered by its barrier in the nearest deployment that has one: all its noderoles
 * there are members of that barrier, also those that come later (engine-rules 24).
 */
import { pathText } from '../roles/graph.js';
import { ConflictError } from '../shared/errors.js';
import { SameNode } from './bind-same-node.js';

export type BindableRole = {
  id: number;
  name: string;
  flags: readonly string[];
  requires: readonly string[];
  provides: readonly string[];
  conflicts: readonly string[];
  quorum: number | null;
  /** Its barclamp defines it no more: what is bound answers, nothing new is made. */
  retired?: boolean;
};
export type BoundNodeRole = { id: number; role: string; nodeId: number; deploymentId: number };

/** A noderole: its id, or for the n-th that the plan makes -(n + 1). */
export type Ref = number;
export type Create = { role: BindableRole; nodeId: number; deploymentId: number; parents: Ref[]; barrier: boolean };
export type Wish = { role: string; nodeId: number; deploymentId: number };
export type BindPlan = {
  creates: Create[];
  /** New members of barriers that exist; those of new barriers are among their parents. */
  joins: { barrier: number; member: Ref }[];
  /** The noderole of each wish, in order. */
  answers: Ref[];
};

export type BindSnapshot = {
  /** Every role that is required, however far, and every role on the nodes concerned. */
  roles: ReadonlyMap<string, BindableRole>;
  /** All noderoles of the nodes concerned, by id. */
  onNodes: readonly BoundNodeRole[];
  /** The lowest id of a role in a deployment, for the roles that may be answered from elsewhere and for barriers. */
  nearest: readonly BoundNodeRole[];
  /** A deployment and its ancestors, the nearest first. */
  lineage: ReadonlyMap<number, readonly number[]>;
  nodeNames: ReadonlyMap<number, string>;
  /** Phantom nodes; needed for deployments that get a barrier or a service. */
  phantoms: ReadonlyMap<number, number>;
};

export const barrierName = (role: string) => `barrier-${role}`;
export const isCluster = (role: BindableRole | undefined) => role?.flags.includes('cluster') ?? false;

type Frame = { role: BindableRole; nodeId: number; deploymentId: number; next: number; parents: Ref[] };

/** Throws ConflictError: a role that is missing or abstract, roles that exclude each other, requirements in a circle. */
export function planBinding(snapshot: BindSnapshot, wishes: readonly Wish[]): BindPlan {
  return new Planner(snapshot).plan(wishes);
}

class Planner {
  private readonly creates: Create[] = [];
  private readonly joins: BindPlan['joins'] = [];
  private readonly near = new Map<string, Ref>();
  private readonly nodes = new Map<number, SameNode>();
  /** Frames that are open, by role and node: a requirement found here is a circle. */
  private readonly open = new Set<string>();

  constructor(private readonly snapshot: BindSnapshot) {
    for (const found of snapshot.onNodes) this.node(found.nodeId).add(this.role(found.role), found.id);
    for (const found of snapshot.nearest) this.offer(this.role(found.role), found.deploymentId, found.id);
  }

  plan(wishes: readonly Wish[]): BindPlan {
    const answers = wishes.map((wish) => this.ensure(this.role(wish.role), wish.nodeId, wish.deploymentId));
    return { creates: this.creates, joins: this.joins, answers };
  }

  /** The noderole of the role on the node, made with all it lacks. An explicit stack: requirements may be 10,000 deep. */
  private ensure(wanted: BindableRole, nodeId: number, deploymentId: number): Ref {
    const existing = this.node(nodeId).exactly(wanted.name);
    if (existing !== undefined) return existing;
    const stack = [this.enter(wanted, nodeId, deploymentId)];
    for (;;) {
      const frame = stack.at(-1) as Frame;
      const required = frame.role.requires[frame.next];
      if (required === undefined) {
        const made = this.create(frame);
        stack.pop();
        if (stack.length === 0) return made;
        continue; // the frame below asks again and finds it
      }
      const answer = this.answer(required, frame);
      if (typeof answer === 'number') {
        frame.parents.push(answer);
        frame.next++;
        continue;
      }
      const key = `${answer.role.name}@${answer.nodeId}`;
      if (this.open.has(key)) throw circle([...stack.map((item) => item.role.name), answer.role.name]);
      stack.push(this.enter(answer.role, answer.nodeId, frame.deploymentId));
    }
  }

  private enter(role: BindableRole, nodeId: number, deploymentId: number): Frame {
    if (role.flags.includes('abstract')) throw new ConflictError(`role '${role.name}' is abstract: bind a role that provides it`, { code: 'role-abstract' });
    if (role.retired === true) throw new ConflictError(`role '${role.name}' is retired: no barclamp defines it any more`, { code: 'role-retired' });
    this.open.add(`${role.name}@${nodeId}`);
    return { role, nodeId, deploymentId, next: 0, parents: [] };
  }

  /** Who answers the requirement, or where it has to be made. */
  private answer(required: string, frame: Frame): Ref | { role: BindableRole; nodeId: number } {
    const role = this.snapshot.roles.get(required);
    if (!role)
      throw new ConflictError(`role '${frame.role.name}' requires role '${required}', which does not exist; import its barclamp first`, {
        code: 'role-missing',
      });
    const implicit = role.flags.includes('implicit');
    const lineage = implicit ? [] : (this.snapshot.lineage.get(frame.deploymentId) ?? []);
    const here = this.node(frame.nodeId).answering(required);
    if (isCluster(role)) {
      for (const deploymentId of lineage) {
        const found = this.nearIn(deploymentId, barrierName(required));
        if (found !== undefined) return found;
      }
      if (this.nearIn(frame.deploymentId, required) !== undefined) return this.barrier(required, frame.deploymentId);
      return here === undefined ? { role, nodeId: frame.nodeId } : this.barrier(required, frame.deploymentId);
    }
    if (here !== undefined) return here;
    for (const deploymentId of lineage) {
      const found = this.nearIn(deploymentId, required);
      if (found !== undefined) return found;
    }
    return { role, nodeId: role.flags.includes('service') && !implicit ? (this.snapshot.phantoms.get(frame.deploymentId) ?? frame.nodeId) : frame.nodeId };
  }

  private create({ role, nodeId, deploymentId, parents }: Frame): Ref {
    this.node(nodeId).refuseConflicts(role, this.snapshot.nodeNames.get(nodeId) ?? String(nodeId));
    const ref = this.add({ role, nodeId, deploymentId, parents: [...new Set(parents)], barrier: false });
    this.open.delete(`${role.name}@${nodeId}`);
    for (const name of [role.name, ...role.provides]) {
      if (!isCluster(this.snapshot.roles.get(name))) continue;
      const barrier = this.barrier(name, deploymentId);
      if (barrier > 0) this.joins.push({ barrier, member: ref });
      else this.creates[-barrier - 1]?.parents.push(ref);
    }
    return ref;
  }

  /** The barrier of a cluster role in a deployment, made when it has none yet. */
  private barrier(cluster: string, deploymentId: number): Ref {
    const existing = this.nearIn(deploymentId, barrierName(cluster));
    if (existing !== undefined) return existing;
    const nodeId = this.snapshot.phantoms.get(deploymentId);
    if (nodeId === undefined) throw new ConflictError(`deployment ${deploymentId} has no phantom node for the barrier of '${cluster}'`);
    return this.add({ role: this.role(barrierName(cluster)), nodeId, deploymentId, parents: [], barrier: true });
  }

  private add(create: Create): Ref {
    const ref = -this.creates.push(create);
    this.node(create.nodeId).add(create.role, ref);
    this.offer(create.role, create.deploymentId, ref);
    return ref;
  }

  /** What exists is nearer than what the plan makes, the older nearer than the newer. */
  private offer(role: BindableRole, deploymentId: number, ref: Ref): void {
    for (const name of [role.name, ...role.provides]) {
      const key = `${deploymentId} ${name}`;
      const known = this.near.get(key);
      if (known === undefined || (ref > 0 && ref < known)) this.near.set(key, ref);
    }
  }

  private nearIn(deploymentId: number, role: string): Ref | undefined {
    return this.near.get(`${deploymentId} ${role}`);
  }

  private node(id: number): SameNode {
    const known = this.nodes.get(id) ?? new SameNode();
    this.nodes.set(id, known);
    return known;
  }

  private role(name: string): BindableRole {
    const role = this.snapshot.roles.get(name);
    if (!role) throw new ConflictError(`there is no role '${name}'; import its barclamp first`, { code: 'role-missing' });
    return role;
  }
}

function circle(names: string[]): ConflictError {
  const last = names.at(-1) ?? '';
  return new ConflictError(`roles require each other: ${pathText(names.slice(names.indexOf(last)))}`, { code: 'role-cycle' });
}
