/**
 * Runs a shell script on the machine by its agent: offers the work, waits without holding a worker, and reads what came
 * back. The agent is the supervisor: it holds one lock on the machine, renews its lease, kills what lost it
 * (engine-rules 1). A step does not survive a reboot. Exit status 0 is success; what the script leaves is the wall.
 */
import { z } from 'zod';
import type { Jig, JigContext, JigOutcome } from '../../src/jigs/contract.js';

const roleConfig = z.object({ script: z.string().min(1), env: z.record(z.string(), z.string()).default({}) });

export const script: Jig = {
  name: 'script',
  description: 'runs a shell script on the machine, by its agent',
  run,
};

async function run(ctx: JigContext): Promise<JigOutcome> {
  if (ctx.wake === null) {
    const config = roleConfig.safeParse(ctx.role.config);
    if (!config.success)
      return {
        kind: 'fail',
        code: 'bad-role',
        message: `role ${ctx.role.name}: jig_config.${config.error.issues[0]?.path.join('.')}: ${config.error.issues[0]?.message}`,
        retryable: false,
      };
    const env = { ...config.data.env, PRYBAR_ROLE: ctx.role.name, PRYBAR_NODE: ctx.node.name, PRYBAR_INPUTS: JSON.stringify(ctx.inputs) };
    const { key } = await ctx.agent.offer({ script: config.data.script, env, timeoutSeconds: ctx.role.timeoutSeconds });
    return { kind: 'wait', key, minGeneration: 1, deadlineSeconds: ctx.role.timeoutSeconds + 30, keeps: 'node', memo: {} };
  }
  const work = await ctx.agent.result();
  if (work?.status !== 'done')
    return {
      kind: 'fail',
      code: 'timeout',
      message: `no result from the agent within ${ctx.role.timeoutSeconds} s (the work was ${work?.status ?? 'never offered'})`,
      retryable: true,
    };
  if (work.exitStatus !== 0)
    return {
      kind: 'fail',
      code: 'exit-status',
      message: `the script ended with exit status ${work.exitStatus}; its log says why`,
      retryable: true,
      exitStatus: work.exitStatus ?? -1,
    };
  return { kind: 'done', wall: work.result ?? {} };
}
