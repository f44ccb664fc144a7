/**
 * The demo deployment: a small cluster whose controller is a parent of every worker, bound and committed through the public
 * API like anybody's. May be repeated at any time: it reuses what is there and adds what is missing.
 */
import { ClientError, everyItem, type Client, type Deployment, type Node } from '../client/client.js';
import type { DemoStep } from './rack-events.js';

export const DEMO_DEPLOYMENT = 'demo';

/** Binds at once; each locks its deployment and its node for a moment. */
const BINDS_AT_ONCE = 8;

export type DemoReport = (step: DemoStep, text: string) => void;

/** The roles of one node of the cluster, in the order they are bound. PURE. */
export function demoRoles(isFirst: boolean): string[] {
  return ['provisioner-os-install', isFirst ? 'cluster-controller' : 'cluster-worker', 'app-health'];
}

/** Creates, binds and commits. `nodes` are the rack's, in order; the first becomes the controller. Throws ClientError. */
export async function ensureDemo(client: Client, nodes: readonly Node[], report: DemoReport, signal: AbortSignal): Promise<void> {
  const deployment = await ensureDeployment(client, report, signal);
  const bound = await boundPairs(client, deployment, signal);
  const [first, ...others] = nodes;
  if (first === undefined) return;

  let added = 0;
  const bindNode = async (node: Node, isFirst: boolean) => {
    for (const role of demoRoles(isFirst)) {
      if (bound.has(`${role}@${node.id}`)) continue;
      await client.nodeRoles.bind({ role, node: node.id, deployment: deployment.id }, { signal });
      added += 1;
    }
  };
  // The controller first: each worker's noderole finds it in the deployment and takes it as its parent.
  await bindNode(first, true);
  const waiting = [...others];
  const bindOthers = async () => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) await bindNode(node, false);
  };
  await Promise.all(Array.from({ length: BINDS_AT_ONCE }, bindOthers));
  report('bound', `${added} noderoles bound, ${bound.size} were there`);

  const { counts } = await client.deployments.get(deployment.id, { signal });
  if (counts.PROPOSED > 0) {
    const { committed, revision } = await client.deployments.commit(deployment.id, undefined, { signal });
    report('committed', `${committed} noderoles committed in revision ${revision}`);
  }
  report('done', DEMO_DEPLOYMENT);
}

async function ensureDeployment(client: Client, report: DemoReport, signal: AbortSignal): Promise<Deployment> {
  try {
    const found = await client.deployments.get(DEMO_DEPLOYMENT, { signal });
    report('found', found.state);
    return found;
  } catch (error) {
    if (!(error instanceof ClientError) || error.status !== 404) throw error;
  }
  const created = await client.deployments.create({ name: DEMO_DEPLOYMENT, description: 'A controller and its workers, on the simulated rack' }, { signal });
  report('created', created.name);
  return created;
}

/** What is bound already, as `<role>@<node id>`. */
async function boundPairs(client: Client, deployment: Deployment, signal: AbortSignal): Promise<Set<string>> {
  const pairs = new Set<string>();
  const page = async (after: string | undefined) =>
    client.nodeRoles.list({ deployment: String(deployment.id), limit: 500, ...(after === undefined ? {} : { after }) }, { signal });
  for await (const nodeRole of everyItem(page)) pairs.add(`${nodeRole.role.name}@${nodeRole.node.id}`);
  return pairs;
}
