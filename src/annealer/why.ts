/** The causal chain of a noderole that does not run, in words. PURE: `explain.ts` reads what it needs. */
import type { NodeRoleState } from '../noderoles/state.js';

export type WhyLink = {
  kind:
    | 'state'
    | 'parent'
    | 'error'
    | 'node'
    | 'deployment'
    | 'slot'
    | 'run'
    | 'wait'
    | 'backoff'
    | 'worker'
    | 'environment'
    | 'rollout'
    | 'cap'
    | 'soft-order';
  text: string;
  noderole_id?: number;
  node_id?: number;
  run_id?: number;
};
export type WhyAnswer = { noderole: { id: number; name: string; state: NodeRoleState }; answer: string; chain: WhyLink[]; unblock: string };

export type WhyView = {
  id: number;
  name: string;
  state: NodeRoleState;
  since: Date;
  failures: number;
  notBefore: Date | null;
  error: { code: string; message: string } | null;
  deployment: { name: string; committed: boolean; paused: boolean };
  node: {
    id: number;
    name: string;
    kind: string;
    alive: boolean;
    available: boolean;
    deleting: boolean;
    bootClass: string | null;
    phase: string;
    phaseDetail: string;
    heartbeatAt: Date | null;
  };
  /** What a rolling change says that holds it back; null when none does. */
  rollout: { text: string; unblock: string } | null;
  /** The cap that leaves no room for it; null when none does. */
  cap: { name: string; max: number; used: number } | null;
  /** What goes before it in soft order. */
  soft: { id: number; name: string; state: NodeRoleState } | null;
  /** The node's target role, when this noderole does not lead to it; null when it may run. */
  beyondTarget: string | null;
  runsIn: string;
  jobClass: string;
  workersAlive: boolean;
  /** The noderole's own live run. */
  run: {
    id: number;
    status: string;
    since: Date;
    wait: { key: string; deadline: Date; detail: string[] } | null;
    worker: string | null;
    unabortable?: string | null;
    cancelBy?: string | null;
  } | null;
  /** Another run that holds this machine; one of its own that is being stopped, too. */
  slot: {
    runId: number;
    name: string;
    status: string;
    since: Date;
    /** Being stopped for longer than that may take. */ stuck?: boolean;
    note?: string | null;
  } | null;
  /** The way up: pending parents, each with its own pending parent, to the root; the first is the nearest. */
  ancestors: { id: number; name: string; state: NodeRoleState; error: { code: string; message: string } | null; waitsFor: string | null }[];
  /** Of a BLOCKED one whose way up ends at one that is TODO or in TRANSITION: why that is so. */
  root?: WhyAnswer | null;
  /** Which noderole of the same node goes first, when several are TODO. */
  ahead: { id: number; name: string } | null;
  now: Date;
};

const ago = (now: Date, then: Date) => {
  const seconds = Math.max(0, Math.round((now.getTime() - then.getTime()) / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
};

/** Why the noderole is as it is, what leads to it, and what would change it. */
export function why(view: WhyView): WhyAnswer {
  const noderole = { id: view.id, name: view.name, state: view.state };
  const chain: WhyLink[] = [{ kind: 'state', text: `${view.name} is ${view.state} since ${ago(view.now, view.since)}`, noderole_id: view.id }];
  const say = (answer: string, unblock: string): WhyAnswer => ({ noderole, answer, chain, unblock });

  switch (view.state) {
    case 'ACTIVE':
      return say('It is ACTIVE: its jig succeeded with the inputs that are wanted.', 'Nothing is needed.');
    case 'PROPOSED':
      return say(
        `It is only proposed: deployment '${view.deployment.name}' was not committed since it was bound.`,
        `Commit the deployment: prybar deployments commit ${view.deployment.name}`,
      );
    case 'ERROR':
      chain.push({ kind: 'error', text: `${view.error?.code ?? 'failed'}: ${view.error?.message ?? 'no message'}`, noderole_id: view.id });
      return failed(view, chain, say);
    case 'BLOCKED':
      return blocked(view, chain, say);
    case 'TODO':
      return todo(view, chain, say);
    case 'TRANSITION':
      return running(view, chain, say);
  }
}

type Say = (answer: string, unblock: string) => WhyAnswer;

function failed(view: WhyView, chain: WhyLink[], say: Say): WhyAnswer {
  const message = view.error?.message ?? view.error?.code ?? 'no message';
  // What an operator did is no failure of the jig.
  const answer = view.error?.code === 'cancelled' ? `It was ${message}.` : `Its jig failed for good: ${message}`;
  const retry = `prybar noderoles retry ${view.name}`;
  if (view.slot?.status === 'STOPPING' && view.slot.name === view.name) {
    chain.push(...slotLinks(view, view.slot));
    return say(
      `${answer} Its run ${view.slot.runId} is still being stopped, and holds the node until that is proven.`,
      `${stopWords(view.slot)} Then: ${retry}`,
    );
  }
  if (view.error?.code === 'cancelled') return say(answer, `To run it after all: ${retry}`);
  return say(answer, `Read the log (prybar runs list --noderole ${view.name}), mend the cause, then: ${retry}`);
}

type Slot = NonNullable<WhyView['slot']>;

function slotLinks(view: WhyView, slot: Slot): WhyLink[] {
  const text = `run ${slot.runId} of ${slot.name} holds the node since ${ago(view.now, slot.since)} (${slot.status})`;
  return [{ kind: 'slot', text, run_id: slot.runId }, ...(slot.note ? [{ kind: 'slot' as const, text: slot.note, run_id: slot.runId }] : [])];
}

const stopWords = (slot: Slot): string =>
  `It goes on when its worker or the agent confirms the stop, the node boots anew, or its BMC says off${slot.stuck === true ? `; when you know that nothing of it runs: prybar runs force-end ${slot.runId} --reason <why>` : '.'}`;

function blocked(view: WhyView, chain: WhyLink[], say: Say): WhyAnswer {
  for (const ancestor of view.ancestors) {
    chain.push({ kind: 'parent', text: `${ancestor.name} is ${ancestor.state}${ancestor.waitsFor ? `: ${ancestor.waitsFor}` : ''}`, noderole_id: ancestor.id });
    if (ancestor.error) chain.push({ kind: 'error', text: `${ancestor.error.code}: ${ancestor.error.message}`, noderole_id: ancestor.id });
  }
  const root = view.ancestors.at(-1);
  if (!root) return say('It is BLOCKED, but no parent is pending: the next sweep will release it.', 'Wait a second.');
  if (root.state === 'ERROR')
    return say(
      `${root.name} is in ERROR: ${root.error?.message ?? root.error?.code ?? 'no message'}`,
      `Mend the cause and retry it: prybar noderoles retry ${root.name}`,
    );
  if (root.state === 'PROPOSED') return say(`${root.name} is only proposed.`, 'Commit its deployment.');
  const waits = `It waits for ${root.name}, which is ${root.state}${root.waitsFor ? ` (${root.waitsFor})` : ''}.`;
  if (!view.root) return say(waits, `It goes on by itself when ${root.name} is ACTIVE; to see what that waits for: prybar why ${root.name}`);
  // Its first link says what it is, which stands here already.
  chain.push(...view.root.chain.slice(1));
  return say(`${waits} ${view.root.answer.replace(/^It /, `${root.name} `)}`, view.root.unblock);
}

function todo(view: WhyView, chain: WhyLink[], say: Say): WhyAnswer {
  const { node, deployment } = view;
  if (!deployment.committed)
    return say(`Deployment '${deployment.name}' was recalled: nothing of it is started.`, `Commit it again: prybar deployments commit ${deployment.name}`);
  if (deployment.paused) return say(`Deployment '${deployment.name}' is paused.`, 'Resume it.');
  if (node.deleting) return say(`Node ${node.name} is being deleted.`, 'Nothing; it will go.');
  if (!node.available)
    return say(`Node ${node.name} is not available: an operator took it out of work.`, `Give it back: prybar nodes set ${node.name} --available`);
  if (!node.alive) {
    chain.push({
      kind: 'node',
      text: `node ${node.name} is not alive; ${node.heartbeatAt ? `its last heartbeat was ${ago(view.now, node.heartbeatAt)} ago` : 'it never sent a heartbeat'}; boot phase ${node.phase} ${node.phaseDetail}`.trim(),
      node_id: node.id,
    });
    return say(
      `Node ${node.name} is not alive (boot phase: ${node.phase}).`,
      `Power it on, or look where its boot stopped: prybar nodes timeline ${node.name}`,
    );
  }
  if (view.slot) {
    chain.push(...slotLinks(view, view.slot));
    return say(
      view.slot.status === 'STOPPING'
        ? `The node is held by run ${view.slot.runId} of ${view.slot.name}, which is being stopped; its end is not proven yet.`
        : `Another noderole of this node runs: ${view.slot.name} (run ${view.slot.runId}). One jig at a time per node.`,
      view.slot.status === 'STOPPING' ? stopWords(view.slot) : 'It goes on by itself when that ends.',
    );
  }
  if (view.notBefore && view.notBefore > view.now) {
    chain.push({ kind: 'backoff', text: `failed ${view.failures === 1 ? 'once' : `${view.failures} times`}, last: ${view.error?.message ?? 'no message'}` });
    return say(`It failed and is tried again in ${ago(view.notBefore, view.now)}.`, `To try at once: prybar noderoles retry ${view.name}`);
  }
  if (view.runsIn !== 'any' && view.runsIn !== node.bootClass) {
    chain.push({ kind: 'environment', text: `it runs in ${view.runsIn}, the node booted ${node.bootClass ?? 'nothing yet'}`, node_id: node.id });
    return say(
      `The node is in the wrong environment: it booted ${node.bootClass ?? 'nothing yet'}, the role runs in ${view.runsIn}.`,
      `It goes on when the node boots into ${view.runsIn}.`,
    );
  }
  if (view.soft) {
    chain.push({ kind: 'soft-order', text: `${view.soft.name} goes before it and is ${view.soft.state}`, noderole_id: view.soft.id });
    return say(
      `${view.soft.name} goes first: its role precedes this one, and it is ${view.soft.state}.`,
      `It goes on when that is ACTIVE or blocked by an ERROR; to see what it waits for: prybar why ${view.soft.name}`,
    );
  }
  if (view.beyondTarget !== null) {
    chain.push({ kind: 'node', text: `${view.beyondTarget} does not need it on this node`, node_id: node.id });
    return say(
      `Node ${node.name} has the target role ${view.beyondTarget}: only that and what it needs is started.`,
      `Take the target away: prybar nodes target ${node.name} --clear`,
    );
  }
  if (view.rollout) {
    chain.push({ kind: 'rollout', text: view.rollout.text });
    return say(`The rolling change of deployment '${deployment.name}' holds it back: ${view.rollout.text}.`, view.rollout.unblock);
  }
  if (view.cap) {
    chain.push({ kind: 'cap', text: `cap ${view.cap.name}: ${view.cap.used} of ${view.cap.max} runs are under way` });
    return say(
      `The cap '${view.cap.name}' is reached: ${view.cap.used} of ${view.cap.max} runs are under way.`,
      `It goes on when one of them ends; to raise it: prybar caps set ${view.cap.name} <max>`,
    );
  }
  if (!view.workersAlive) {
    chain.push({ kind: 'worker', text: `no worker of class ${view.jobClass} has reported in the last 30 s` });
    return say(`No worker for jobs of class '${view.jobClass}' is alive.`, 'Start a worker process (prybar up, or dist/workers/runs.js).');
  }
  if (view.ahead) return say(`${view.ahead.name} goes first on this node (order: cohort, then id).`, 'It goes on by itself.');
  return say('Nothing holds it back: the annealer takes it in its next pass.', 'Wait a second.');
}

function running(view: WhyView, chain: WhyLink[], say: Say): WhyAnswer {
  const { run } = view;
  if (!run) return say('It is in TRANSITION without a live run; the next sweep repairs that.', 'Wait a second.');
  chain.push({
    kind: 'run',
    text: `run ${run.id} is ${run.status} since ${ago(view.now, run.since)}${run.worker ? ` on worker ${run.worker}` : ''}`,
    run_id: run.id,
  });
  if (run.unabortable) {
    chain.push({ kind: 'run', text: `it may not be broken off now: ${run.unabortable}`, run_id: run.id });
    if (run.cancelBy) return say(`It was cancelled by ${run.cancelBy}, which takes effect when this is over: ${run.unabortable}.`, 'It stops by itself then.');
  }
  if (run.wait) {
    chain.push({ kind: 'wait', text: `waits for ${run.wait.key}, until ${run.wait.deadline.toISOString()} at the latest`, run_id: run.id });
    for (const text of run.wait.detail) chain.push({ kind: 'wait', text, run_id: run.id });
    const what = run.wait.detail.at(-1) ?? run.wait.key;
    return say(`It runs (run ${run.id}) and waits: ${what}.`, `It goes on when that is true; at ${run.wait.deadline.toISOString()} it gives up and says why.`);
  }
  if (run.status === 'QUEUED' || run.status === 'WAKING')
    return say(
      `Its run ${run.id} is in the queue since ${ago(view.now, run.since)}.`,
      view.workersAlive ? 'A worker takes it next.' : `No worker of class '${view.jobClass}' is alive: start one.`,
    );
  return say(`It is running (run ${run.id}).`, `Follow it: prybar runs logs ${run.id} --follow`);
}
