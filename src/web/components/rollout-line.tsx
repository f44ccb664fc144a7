import { useLoaded, useClient } from '../api.js';

/** How far the rolling change of a deployment is, in one line; nothing when there is none under way. */
export function RolloutLine({ name, version }: { name: string; version: number }) {
  const client = useClient();
  const { value } = useLoaded(name, version, (signal) => client.deployments.rollout(name, { signal }));
  const rollout = value?.rollout ?? null;
  if (rollout === null || !['running', 'paused', 'aborted'].includes(rollout.status)) return null;
  const { progress: p } = rollout;
  const phase = rollout.phase === 'canary' ? `canaries: ${p.canaries_done} of ${p.canaries} done` : 'fleet';
  return (
    <p class="rollout" role="status">
      Rolling change of revision {rollout.revision}: <b>{rollout.status}</b>
      {rollout.reason === null ? '' : ` (${rollout.reason})`}, {phase}; {p.done} of {p.nodes} nodes done, {p.in_flight} in flight, {p.failed} failed,{' '}
      {p.waiting} waiting
    </p>
  );
}
