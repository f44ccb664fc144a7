/** An attrib that is wanted of another noderole, or of the node, as `wanted_values` (45_attribs.sql) reads it. PURE. */
import type { Json, JsonObject } from '../shared/json.js';
import { NODE_BUCKETS, NODE_ROLE_BUCKETS, type Bucket } from './buckets.js';
import { WANTED, type Layer } from './provenance.js';

/** What each bucket there holds of it; a bucket without it is left out. */
export type Wanted = {
  at: string;
  /** Whose it is, `<role>@<node>`; null: the node's. */
  noderole: string | null;
  buckets: { [bucket in Bucket]?: Json };
  /** Revisions that committed it there: of the deployment role's data, of the noderole's. */
  deployment_revision?: number | null | undefined;
  revision?: number | null | undefined;
  wall_run?: number | null | undefined;
  schema?: JsonObject | null | undefined;
};

const BUCKETS: readonly Bucket[] = [...NODE_BUCKETS, ...NODE_ROLE_BUCKETS];

/** The layers of its value, low to high, each under the key WANTED. */
export function layersOfWanted({ buckets, noderole, deployment_revision, revision, wall_run }: Wanted): Layer[] {
  const revisions = (value: number | null | undefined): JsonObject => (typeof value === 'number' ? { [WANTED]: value } : {});
  return BUCKETS.flatMap((bucket): Layer[] => {
    const value = buckets[bucket];
    if (value === undefined) return [];
    const layer = { bucket, data: { [WANTED]: value }, noderole: noderole ?? undefined };
    if (bucket === 'deployment_role.committed') return [{ ...layer, revisions: revisions(deployment_revision) }];
    if (bucket === 'noderole.committed') return [{ ...layer, revisions: revisions(revision) }];
    return [bucket === 'noderole.wall' ? { ...layer, run: wall_run } : layer];
  });
}
