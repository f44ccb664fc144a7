/** What is provisioned in a chaos: roles whose graph the seed decides, machines that are rows, deployments that share them. */
import type { Db } from '../../src/db/client.js';
import { parseBarclamp } from '../../src/roles/load.js';
import { importBarclamps } from '../../src/roles/store.js';
import type { Random } from '../support/random.js';

/** `fails`: the noderole that shall end in ERROR on some machines. */
type RoleShape = { name: string; jig: string; flags: string[]; template: object; fails?: true; more?: object };

const SHAPES: RoleShape[] = [
  { name: 'base', jig: 'noop', flags: ['implicit'], template: {} },
  { name: 'work', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 60 } } },
  { name: 'stamp', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 20, stamp: true } } },
  { name: 'unlucky', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 30, failPercent: 25 } }, more: { max_attempts: 6, backoff_seconds: 1 } },
  { name: 'timer', jig: 'test', flags: ['implicit'], template: { chaos: { waitSeconds: 1.5, keeps: 'nothing' } } },
  { name: 'hold', jig: 'test', flags: ['implicit'], template: { chaos: { waitSeconds: 1, keeps: 'node', delayMs: 20 } } },
  {
    name: 'script',
    jig: 'script',
    flags: ['implicit'],
    template: {},
    more: { jig_config: { script: 'true' }, timeout_seconds: 120, max_attempts: 10, backoff_seconds: 1 },
  },
  { name: 'brittle', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 30 } }, fails: true },
  { name: 'member', jig: 'test', flags: ['implicit', 'cluster'], template: { chaos: { delayMs: 40 } } },
  { name: 'install', jig: 'test', flags: ['implicit', 'destructive'], template: { chaos: { delayMs: 80 } } },
  { name: 'slow', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 700 } } },
  { name: 'booted', jig: 'test', flags: ['implicit'], template: { chaos: { delayMs: 20 } }, more: { validity: 'boot' } },
  { name: 'plain', jig: 'noop', flags: ['implicit'], template: {} },
];

/** Some of the shapes in an order of the seed's choice, with their numbers when they come again; what may fail for good is the last. */
function shapesOf(random: Random, count: number): RoleShape[] {
  const order = SHAPES.filter((shape) => shape.fails === undefined)
    .map((shape) => ({ shape, key: random.below(1_000_000) }))
    .sort((a, b) => a.key - b.key)
    .map(({ shape }) => shape);
  const chosen = Array.from({ length: count }, (_, n) => {
    const shape = order[n % order.length];
    return n < order.length ? shape : { ...shape, name: `${shape.name}-${Math.floor(n / order.length)}` };
  });
  return [...chosen, ...SHAPES.filter((shape) => shape.fails)];
}

export type Site = {
  deployments: number[];
  nodes: number[];
  roleNames: string[];
  /** The role bound to every node: it draws in all others. */
  leafRole: string;
  /** Noderoles whose data tells them to fail for good. */
  told: number[];
};

/** Roles, each requiring some of those before it; the last requires all that nobody else does. Bound and committed later, through the API. */
export async function createSite(db: Db, random: Random, size: { nodes: number; roles: number; deployments: number }): Promise<Omit<Site, 'told'>> {
  const shapes = shapesOf(random, Math.max(3, size.roles) - 2);
  const wanted = new Set<string>();
  const roles = shapes.map((shape, n) => {
    // A cluster's barrier is of the deployment; beyond that the graph is the seed's.
    const requires = [...new Set(Array.from({ length: n === 0 ? 0 : random.between(0, 3) }, () => shapes[random.below(n)]?.name ?? 'base'))];
    requires.forEach((name) => wanted.add(name));
    return { name: shape.name, jig: shape.jig, flags: shape.flags, requires, template: shape.template, backoff_seconds: 0, max_attempts: 3, ...shape.more };
  });
  const leafRole = 'leaf';
  roles.push({
    name: leafRole,
    jig: 'test',
    flags: [],
    requires: roles.map((role) => role.name).filter((name) => !wanted.has(name)),
    template: { chaos: { delayMs: 10 } },
    backoff_seconds: 0,
    max_attempts: 3,
  });
  await importBarclamps(db.pool, [parseBarclamp(JSON.stringify({ barclamp: { name: 'chaos' }, roles }), 'chaos')], { missing: 'keep' });

  const { rows: deployments } = await db.pool.query<{ id: number }>(
    `INSERT INTO deployments (name, parent_id) SELECT 'chaos-' || i, (SELECT id FROM deployments WHERE system) FROM generate_series(1, $1::int) i RETURNING id`,
    [size.deployments],
  );
  const deploymentIds = deployments.map((row) => row.id);
  const { rows: nodes } = await db.pool.query<{ id: number }>(
    `INSERT INTO nodes (name, deployment_id, kind, alive, boot_class, boot_epoch)
     SELECT 'm' || i, ($2::int[])[1 + i % cardinality($2::int[])], 'machine', true, 'discovery', 1 FROM generate_series(1, $1::int) i RETURNING id`,
    [size.nodes, deploymentIds],
  );
  return { deployments: deploymentIds, nodes: nodes.map((row) => row.id), roleNames: roles.map((role) => role.name), leafRole };
}
