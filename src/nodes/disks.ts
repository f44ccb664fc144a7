/** The disks that a machine reported, and which of them an installation takes. PURE. */
import { z } from 'zod';

const reported = z.object({
  disks: z
    .array(z.object({ name: z.string(), serial: z.string().optional(), size_bytes: z.number().optional(), removable: z.boolean().optional() }))
    .default([]),
});

export type Disk = { name: string; serial?: string | undefined; size_bytes?: number | undefined };

/** Disks that are not removable, in the order reported; none when the machine said nothing that can be read. */
export function fixedDisks(discovery: unknown): Disk[] {
  const parsed = reported.safeParse(discovery);
  return (parsed.success ? parsed.data.disks : []).filter((disk) => disk.removable !== true);
}

/** The disk asked for by name or serial, else the first. */
export function pickDisk(discovery: unknown, wanted: string | undefined): Disk | undefined {
  const disks = fixedDisks(discovery);
  return wanted === undefined ? disks[0] : disks.find((disk) => disk.name === wanted || disk.serial === wanted);
}
