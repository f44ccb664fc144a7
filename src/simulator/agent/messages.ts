/**
 * The answers of the node-facing HTTP as the agent and the installer read them: the door of the simulator. Fields the
 * simulator does not use are ignored.
 */
import { z } from 'zod';

const nodeSchema = z.object({ id: z.number(), name: z.string() });

/** Answer to facts and to a boot report: who the machine is, and its agent's token. */
export const welcomeSchema = z.object({
  node: nodeSchema,
  agent_token: z.string(),
  heartbeat_seconds: z.number().positive(),
  wait_seconds: z.number().positive(),
});
export type Welcome = z.infer<typeof welcomeSchema>;

/** What the long poll hands out. */
export const workSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('script'),
    run_id: z.union([z.number(), z.string()]),
    fence: z.union([z.number(), z.string()]),
    script: z.string(),
    env: z.record(z.string(), z.string()).default({}),
    timeout_seconds: z.number().positive(),
    lease_seconds: z.number().positive(),
  }),
  z.object({ kind: z.literal('reboot') }),
]);
export type Work = z.infer<typeof workSchema>;
export type ScriptWork = Extract<Work, { kind: 'script' }>;

/** Answer to `bootenv-local`: what the installed system needs to come back. */
export const installedSchema = z.object({
  install_id: z.union([z.number(), z.string()]),
  node: nodeSchema,
  disk_token: z.string(),
  agent: z.object({ url: z.string(), heartbeat_seconds: z.number().positive() }),
});
export type Installed = z.infer<typeof installedSchema>;

const problemSchema = z.object({ code: z.string(), detail: z.string().default('') });

/** What a refusal says, for the console: `401 token-refused: ...`, or the status alone. */
export function refusalText(status: number, body: string): string {
  const problem = problemSchema.safeParse(parseJson(body));
  return problem.success ? `${status} ${problem.data.code}: ${problem.data.detail}` : String(status);
}

/** The body as JSON, undefined when it is none; the schema that reads it says so. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Not JSON: the caller's schema refuses undefined, with its own words.
    return undefined;
  }
}
