/** What a plan is made from, and the ways to look things up in it. PURE; `plan-read.ts` reads it. */
import type { Attrib } from '../attribs/names.js';
import type { NodeRoleState } from '../noderoles/state.js';
import type { JsonObject } from '../shared/json.js';

/** Why a noderole runs. `underway`: an earlier commit wants it already. */
export type RunReason = 'bound' | 'again' | 'data' | 'wanted' | 'members' | 'installed' | 'underway';

export type PlanRole = {
  id: number;
  name: string;
  flags: readonly string[];
  runsIn: string;
  /** How long what it did holds: always | install | boot. */
  validity: string;
  template: JsonObject;
  attribs: readonly Attrib[];
  /** Reads the walls of its parents; of barriers. */
  readsParents: boolean;
  readsMembers: boolean;
  /** Median of its last successful runs; null without any. */
  seconds: number | null;
};

export type PlanNode = {
  id: number;
  name: string;
  kind: string;
  alive: boolean;
  available: boolean;
  deleting: boolean;
  bootClass: string | null;
  /** Whether it can be switched on. */
  hasBmc: boolean;
  discovery: JsonObject;
};

export type PlanNodeRole = {
  id: number;
  roleId: number;
  nodeId: number;
  deploymentId: number;
  state: NodeRoleState;
  committed: boolean;
  barrier: boolean;
  quorum: number | null;
  pending: number;
  slack: number;
  cohort: number;
  /** Data: of the deployment's own noderoles; elsewhere empty. */
  data: JsonObject;
  proposed: JsonObject | null;
  sysdata: JsonObject;
  wall: JsonObject;
  /** Status of its last install that was not abandoned. */
  install: string | null;
  error: string | null;
  /** It succeeded before, and nothing ended that since. */
  succeeded: boolean;
  /** Hard parents that were removed; and whether it is being removed itself. Either refuses the commit. */
  lost: readonly string[];
  removing: boolean;
};

export type PlanDeployment = { id: number; name: string; committed: boolean; paused: boolean; powerOn: boolean; rolling: boolean };
export type PlanPair = { roleId: number; proposed: JsonObject | null; data: JsonObject; wall: JsonObject };

export type PlanSnapshot = {
  deployment: PlanDeployment & { revision: number };
  deployments: readonly PlanDeployment[];
  roles: readonly PlanRole[];
  nodes: readonly PlanNode[];
  /** The deployment's own, everything above them and everything below them. */
  noderoles: readonly PlanNodeRole[];
  edges: readonly { parent: number; child: number }[];
  /** Attribs that one noderole reads of another: `attrib_links`. */
  links: readonly { parent: number; child: number; attrib: string }[];
  deploymentRoles: readonly PlanPair[];
  /** Proposed ancestors in other deployments of what is proposed here, and those of them that are committed along. */
  proposedOutside: readonly number[];
  along: ReadonlySet<number>;
};

export type PlanIndex = {
  snapshot: PlanSnapshot;
  /** Parents before children. */
  ordered: readonly PlanNodeRole[];
  get: (id: number) => PlanNodeRole;
  role: (id: number) => PlanRole;
  node: (id: number) => PlanNode;
  deployment: (id: number) => PlanDeployment;
  parents: (id: number) => readonly PlanNodeRole[];
  linked: (child: number) => readonly PlanNodeRole[];
  /** Whether the commit takes it out of PROPOSED. */
  commits: (nr: PlanNodeRole) => boolean;
  /** Whether a new wall of the parent makes the child run again. */
  readsWallOf: (child: PlanNodeRole, parent: PlanNodeRole) => boolean;
  /** `role@node` */
  name: (nr: PlanNodeRole) => string;
};

export function indexSnapshot(snapshot: PlanSnapshot): PlanIndex {
  const byId = new Map(snapshot.noderoles.map((nr) => [nr.id, nr]));
  const roles = new Map(snapshot.roles.map((role) => [role.id, role]));
  const nodes = new Map(snapshot.nodes.map((node) => [node.id, node]));
  const deployments = new Map(snapshot.deployments.map((deployment) => [deployment.id, deployment]));
  const parents = gather(byId, snapshot.edges);
  const links = gather(byId, snapshot.links);
  const none: readonly PlanNodeRole[] = [];
  const role = (id: number) => need(roles, id, 'role');
  const node = (id: number) => need(nodes, id, 'node');
  return {
    snapshot,
    ordered: [...snapshot.noderoles].sort((a, b) => a.cohort - b.cohort || a.id - b.id),
    get: (id) => need(byId, id, 'noderole'),
    role,
    node,
    deployment: (id) => need(deployments, id, 'deployment'),
    parents: (id) => parents.get(id) ?? none,
    linked: (child) => links.get(child) ?? none,
    commits: (nr) => nr.state === 'PROPOSED' && (nr.deploymentId === snapshot.deployment.id || snapshot.along.has(nr.id)),
    readsWallOf: (child, parent) => !child.barrier && (parent.barrier ? role(child.roleId).readsMembers : role(child.roleId).readsParents),
    name: (nr) => `${role(nr.roleId).name}@${node(nr.nodeId).name}`,
  };
}

export const isDestructive = (index: PlanIndex, nr: PlanNodeRole): boolean => index.role(nr.roleId).flags.includes('destructive');

function gather(byId: ReadonlyMap<number, PlanNodeRole>, edges: readonly { parent: number; child: number }[]): Map<number, PlanNodeRole[]> {
  const gathered = new Map<number, PlanNodeRole[]>();
  for (const { parent, child } of edges) {
    const above = byId.get(parent);
    if (above === undefined) continue;
    const known = gathered.get(child);
    if (known === undefined) gathered.set(child, [above]);
    else known.push(above);
  }
  return gathered;
}

function need<Value>(map: ReadonlyMap<number, Value>, id: number, what: string): Value {
  const found = map.get(id);
  if (found === undefined) throw new Error(`the plan's snapshot has no ${what} ${id}`);
  return found;
}
