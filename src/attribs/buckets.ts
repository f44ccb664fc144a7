/**
 * The containers that hold data, their buckets, and which of them counts more. PURE. docs/attribs.md tells it in words.
 */
import type { JsonObject } from '../shared/json.js';

/** Low to high: what an attrib of a noderole is, is the overlay of these (engine.md 1.5). */
export const NODE_ROLE_BUCKETS = [
  'attrib.default',
  'role.template',
  'deployment_role.wall',
  'deployment_role.committed',
  'noderole.wall',
  'noderole.sysdata',
  'noderole.committed',
] as const;
export type NodeRoleBucket = (typeof NODE_ROLE_BUCKETS)[number];

/**
 * What a noderole's own run is given leaves out its own wall: a jig that read back what it wrote would get other inputs
 * by each run of itself, and run for ever (engine-rules 8). Whoever wants the attrib from outside reads it with the wall.
 */
export const OWN_INPUT_BUCKETS: readonly NodeRoleBucket[] = NODE_ROLE_BUCKETS.filter((bucket) => bucket !== 'noderole.wall');

/** Low to high: an attrib of a node. */
export const NODE_BUCKETS = ['node.discovery', 'node.hint'] as const;
export type NodeBucket = (typeof NODE_BUCKETS)[number];

/** Proposed data counts from the next commit on; it is shown, never merged. */
export type ProposedBucket = 'deployment_role.proposed' | 'noderole.proposed';

export type Bucket = NodeRoleBucket | NodeBucket | ProposedBucket;

/** The data of each bucket; a bucket without any may be left out. */
export type Buckets<Name extends string = NodeRoleBucket> = { [bucket in Name]?: JsonObject | undefined };

/** The buckets' data, low to high, in the order of `names`. */
export function layersOf<Name extends string>(names: readonly Name[], buckets: Buckets<Name>): JsonObject[] {
  return names.map((name) => buckets[name] ?? {});
}
