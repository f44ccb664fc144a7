/** The role every discovered machine gets: its hook binds and commits the roles flagged `discovery`. */
import type { Pool } from '../../db/client.js';
import type { HookAnswer, RoleHooks } from '../../hooks/hooks.js';

/** `bind` binds the discovery roles of one machine; `kick` tells the annealer that there is something to claim. */
export function managedNodeHooks(ports: { pool: Pool; bind: (nodeId: number) => Promise<void>; kick: () => Promise<void> }): RoleHooks {
  return {
    async onNodeCreate(items) {
      const answers: HookAnswer[] = [];
      for (const { subjectId } of items) {
        try {
          await ports.bind(subjectId);
          answers.push({ subjectId, ok: true });
        } catch (error) {
          answers.push({ subjectId, ok: false, error: error instanceof Error ? error.message : String(error) });
        }
      }
      await ports.kick();
      return answers;
    },
  };
}
