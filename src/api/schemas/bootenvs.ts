/** PURE: what a machine can be booted into. */
import { z } from 'zod';
import { answer, keySchema, request } from './shapes.js';

export const bootenvSchema = answer({
  name: z.string(),
  os_family: z.string(),
  description: z.string(),
  kind: z.string(),
  archs: z.array(z.string()),
  available: z.boolean(),
  problems: z.array(z.string()),
});
export type Bootenv = z.infer<typeof bootenvSchema>;

export const bootenvPreviewQuerySchema = request({ node: keySchema });
/** Rendered for one node; tokens and secrets are stand-ins. */
export const bootenvPreviewSchema = answer({
  bootenv: z.string(),
  node: z.object({ id: z.int(), name: z.string() }),
  files: z.array(z.object({ name: z.string(), text: z.string() })),
  problems: z.array(z.string()),
});
export type BootenvPreview = z.infer<typeof bootenvPreviewSchema>;
