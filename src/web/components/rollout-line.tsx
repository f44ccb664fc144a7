import { useState } from 'preact/hooks';
import { problemWords, useClient, useLoaded } from '../api.js';
import { ConfirmButton } from './confirm-button.js';

type Verb = 'pause' | 'resume' | 'abort';

/** How far the rolling change of a deployment is, and the verbs that turn it; nothing when there is none under way. */
export function RolloutLine({ name, version }: { name: string; version: number }) {
  const client = useClient();
  const [problem, setProblem] = useState<string | null>(null);
  const { value, reload } = useLoaded(name, version, (signal) => client.deployments.rollout(name, { signal }));
  const rollout = value?.rollout ?? null;
  if (rollout === null || !['running', 'paused', 'aborted'].includes(rollout.status)) return null;
  const { progress: p } = rollout;
  const phase = rollout.phase === 'canary' ? `canaries: ${p.canaries_done} of ${p.canaries} done` : 'fleet';
  // The server decides: what it refuses is shown as it says it.
  const turn = (verb: Verb) => async (): Promise<void> => {
    setProblem(null);
    await client.deployments.turnRollout(name, verb).catch((error: unknown) => setProblem(problemWords(error)));
    reload();
  };
  return (
    <div class="commit-bar rollout">
      <span role="status">
        Rolling change of revision {rollout.revision}: <b>{rollout.status}</b>
        {rollout.reason === null ? '' : ` (${rollout.reason})`}, {phase}; {p.done} of {p.nodes} nodes done, {p.in_flight} in flight, {p.failed} failed,{' '}
        {p.waiting} waiting
        {rollout.status === 'aborted' && '. What had not begun waits for the next commit.'}
      </span>
      {rollout.status === 'running' && <ConfirmButton label="Pause" question="Begin no more nodes?" answer="Pause it" act={turn('pause')} />}
      {rollout.status === 'paused' && (
        <ConfirmButton label="Resume" question="Accept the failures so far and go on?" answer="Resume it" tone="good" act={turn('resume')} />
      )}
      {rollout.status !== 'aborted' && (
        <ConfirmButton label="Abort" question="Begin no more nodes, for good?" answer="Abort it" tone="bad" act={turn('abort')} />
      )}
      {problem !== null && (
        <span class="bad-text" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
}
