import { useState } from 'preact/hooks';
import { problemWords, useClient, useLoaded, useRunLog, type Client } from '../api.js';
import { ConfirmButton } from '../components/confirm-button.js';
import { StateGlyph } from '../components/glyph.js';
import { Loading, Message } from '../components/message.js';
import { LogView } from '../components/panel/log-view.js';
import { NodeRoleLinks } from '../components/panel/noderole-links.js';
import { RunList } from '../components/panel/run-list.js';
import { Facts, Section, SidePanel } from '../components/panel/side-panel.js';
import { WhySteps } from '../components/panel/why-steps.js';
import type { Panel } from '../store/route.js';
import { agoWords, clockWords, durationWords, timeOf, waitWords } from '../store/words.js';

type NodeRole = Awaited<ReturnType<Client['nodeRoles']['get']>>;

export interface PanelProps {
  id: number;
  /** Changes whenever the board saw the subject change: then everything here is read again. */
  version: string;
  now: number;
  onOpen: (panel: Panel) => void;
  onClose: () => void;
}

/** One noderole: its state, why in words, what one may do, its runs and the log of one of them. */
export function NodeRolePanel({ id, version, now, onOpen, onClose }: PanelProps) {
  const client = useClient();
  const subject = `noderole ${id}`;
  const loaded = useLoaded(subject, version, async (signal) => {
    const [noderole, why, runs] = await Promise.all([
      client.nodeRoles.get(id, { signal }),
      client.nodeRoles.why(id, { signal }),
      client.nodeRoles.runs(id, { limit: 50 }, { signal }),
    ]);
    return { noderole, why, runs: [...runs.items].sort((a, b) => b.id - a.id) };
  });
  const [chosen, setChosen] = useState<{ subject: string; runId: number } | null>(null);
  const newest = loaded.value?.runs[0]?.id ?? null;
  const runId = chosen?.subject === subject ? chosen.runId : newest;
  const log = useRunLog(runId);

  const noderole = loaded.value?.noderole ?? null;
  const title =
    noderole === null ? (
      'Noderole'
    ) : (
      <>
        <span class={`state-chip s-${noderole.state.toLowerCase()}`}>
          <StateGlyph state={noderole.state} />
          {noderole.state.toLowerCase()}
        </span>
        <span class="panel-name">{noderole.role.name}</span>
        <button type="button" class="link panel-node" onClick={() => onOpen({ kind: 'node', id: noderole.node.id })}>
          @{noderole.node.name}
        </button>
      </>
    );
  return (
    <SidePanel subject={subject} title={title} label={noderole?.name ?? 'Noderole'} onClose={onClose}>
      {loaded.problem !== null && (
        <Message title="It could not be read" tone="bad">
          {<p>{loaded.problem}</p>}
        </Message>
      )}
      {loaded.value === null && loaded.problem === null && <Loading what="the noderole" />}
      {loaded.value !== null && (
        <>
          <WhySteps why={loaded.value.why} self={{ kind: 'noderole', id }} onOpen={onOpen} />
          <Actions noderole={loaded.value.noderole} onDone={loaded.reload} />
          <Section title="How it stands">
            <Standing noderole={loaded.value.noderole} now={now} />
          </Section>
          <Section title={loaded.value.runs.length === 0 ? 'Runs' : `Runs (${loaded.value.runs.length})`}>
            {loaded.value.runs.length === 0 ? (
              <p class="muted">It has not run yet.</p>
            ) : (
              <RunList runs={loaded.value.runs} chosen={runId} now={now} onChoose={(run) => setChosen({ subject, runId: run })} />
            )}
            {runId !== null && <LogView {...log} />}
          </Section>
          <Neighbours noderole={loaded.value.noderole} onOpen={onOpen} />
        </>
      )}
    </SidePanel>
  );
}

/** The verbs that make sense in its state. The server decides: what it refuses is shown as it says it. */
function Actions({ noderole, onDone }: { noderole: NodeRole; onDone: () => void }) {
  const client = useClient();
  const [problem, setProblem] = useState<string | null>(null);
  const doing = (act: () => Promise<unknown>) => async (): Promise<void> => {
    setProblem(null);
    try {
      await act();
    } catch (error) {
      setProblem(problemWords(error));
    }
    onDone();
  };
  const canRetry = noderole.state === 'ERROR' || noderole.not_before !== null;
  const canCancel = noderole.state === 'TRANSITION';
  if (!canRetry && !canCancel) return null;
  return (
    <div class="actions">
      {canRetry && (
        <ConfirmButton label="Retry" question="Run it again?" answer="Retry it" tone="good" act={doing(() => client.nodeRoles.retry(noderole.id))} />
      )}
      {canCancel && (
        <ConfirmButton
          label="Cancel the run"
          question="Stop it? It ends in ERROR."
          answer="Cancel it"
          tone="bad"
          act={doing(() => client.nodeRoles.cancel(noderole.id))}
        />
      )}
      {problem !== null && (
        <p class="notice bad" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function Standing({ noderole, now }: { noderole: NodeRole; now: number }) {
  const wait = noderole.run?.wait ?? null;
  const untilDeadline = wait === null ? 0 : ((timeOf(wait.deadline) ?? now) - now) / 1000;
  const retryAt = timeOf(noderole.not_before);
  return (
    <Facts
      rows={[
        [
          'error',
          noderole.error === null ? null : (
            <span class="bad-text">
              {noderole.error.message} <code>{noderole.error.code}</code>
            </span>
          ),
        ],
        ['run', noderole.run === null ? null : `run ${noderole.run.id}, ${noderole.run.status.toLowerCase()}`],
        [
          'waits for',
          wait === null
            ? null
            : `${waitWords(wait.key)} (${wait.key}); ${untilDeadline > 0 ? `gives up in ${durationWords(untilDeadline)}` : 'its deadline has passed'}; keeps ${wait.keeps === 'node' ? 'the node' : wait.keeps}`,
        ],
        ['next try', retryAt === null ? null : `${clockWords(retryAt)}${retryAt > now ? `, in ${durationWords((retryAt - now) / 1000)}` : ''}`],
        ['failures', noderole.failures === 0 ? null : noderole.failures],
        ['waits on', noderole.pending_parents === 0 ? null : `${noderole.pending_parents} of ${noderole.parents.length} parents`],
        ['deployment', noderole.deployment.name],
        ['cohort', noderole.cohort],
        ['changed', agoWords(timeOf(noderole.changed_at), now)],
      ]}
    />
  );
}

function Neighbours({ noderole, onOpen }: { noderole: NodeRole; onOpen: (panel: Panel) => void }) {
  const open = (id: number): void => onOpen({ kind: 'noderole', id });
  return (
    <>
      {noderole.parents.length > 0 && (
        <Section title="Parents">
          <NodeRoleLinks items={noderole.parents} onOpen={open} />
        </Section>
      )}
      {noderole.children.length > 0 && (
        <Section title="Children">
          <NodeRoleLinks items={noderole.children} onOpen={open} />
        </Section>
      )}
    </>
  );
}
