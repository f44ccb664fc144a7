/** Which disks the commit erases: destructive noderoles that run and have no completed install (engine-rules 15). PURE. */
import { pickDisk, type Disk } from '../nodes/disks.js';
import { dataAfter } from './plan-data.js';
import type { Held } from './plan-held.js';
import { isDestructive, type PlanIndex, type RunReason } from './plan-snapshot.js';

export type Erasure = {
  noderole: string;
  node: string;
  /** Null when the machine has not reported its disks, or not the one that is wanted. */
  disk: Disk | null;
  /** What the data says shall be installed; null: the installation's default. */
  os: string | null;
  /** An earlier commit wants it already. */
  underway: boolean;
  /** It waits: what for is told under `held`. */
  held: boolean;
};

export function erasures(index: PlanIndex, reasons: ReadonlyMap<number, RunReason>, held: ReadonlyMap<number, Held>): Erasure[] {
  const all: Erasure[] = [];
  for (const [id, reason] of reasons) {
    const nr = index.get(id);
    if (!isDestructive(index, nr) || nr.install === 'completed') continue;
    const data = dataAfter(index, nr);
    const node = index.node(nr.nodeId);
    all.push({
      noderole: index.name(nr),
      node: node.name,
      disk: pickDisk(node.discovery, typeof data.disk === 'string' ? data.disk : undefined) ?? null,
      os: typeof data['target-os'] === 'string' ? data['target-os'] : null,
      underway: reason === 'underway',
      held: held.has(id),
    });
  }
  return all;
}
