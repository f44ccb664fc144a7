import { useState } from 'preact/hooks';
import { problemWords, useClient, useLoaded, type Client } from '../api.js';
import { ConfirmButton } from '../components/confirm-button.js';
import { Loading, Message } from '../components/message.js';
import { Section, SidePanel } from '../components/panel/side-panel.js';
import { ValueList } from '../components/panel/value-list.js';
import type { Panel } from '../store/route.js';
import { countWords } from '../store/words.js';

type Head = Awaited<ReturnType<Client['deployments']['revisions']>>['items'][number];
type Revision = Awaited<ReturnType<Client['deployments']['revision']>>;
type Rollback = Awaited<ReturnType<Client['deployments']['rollback']>>;

const REVISIONS_SHOWN = 50;
const CHANGES_SHOWN = 100;
const SIGNS: Record<Revision['changes'][number]['change'], readonly [string, string]> = {
  bound: ['+', 'bound'],
  again: ['+', 'committed again'],
  data: ['~', 'data'],
  unbound: ['−', 'gone'],
};

/** Who committed what, when and why; each revision may be proposed again. */
export function HistoryPanel({ id, version, onOpen, onClose }: { id: number; version: string; onOpen: (panel: Panel) => void; onClose: () => void }) {
  const client = useClient();
  const [chosen, setChosen] = useState<number | null>(null);
  const [back, setBack] = useState<Rollback | null>(null);
  const loaded = useLoaded(`history ${id}`, version, (signal) => client.deployments.revisions(id, { limit: REVISIONS_SHOWN }, { signal }));
  const list = loaded.value;
  return (
    <SidePanel subject={`history ${id}`} label="History" title={<span class="panel-name">History</span>} onClose={onClose}>
      {list === null && loaded.problem === null && <Loading what="the history" />}
      {loaded.problem !== null && (
        <Message title="The history could not be read" tone="bad">
          <p>{loaded.problem}</p>
        </Message>
      )}
      {back !== null && <RolledBack back={back} onPlan={() => onOpen({ kind: 'plan', id })} />}
      {list !== null && list.items.length === 0 && <Message title="Never committed">Each commit will stand here, with its author and what it changed.</Message>}
      <ol class="revisions">
        {list?.items.map((head) => (
          <li key={head.revision}>
            <button
              type="button"
              class="revision"
              aria-expanded={chosen === head.revision}
              onClick={() => setChosen(chosen === head.revision ? null : head.revision)}
            >
              <strong>{head.revision}</strong> {whatWords(head)}
              <span class="muted">
                {' '}
                by {head.author}, {new Date(head.at).toLocaleString()}
              </span>
              {head.comment !== '' && <em>{head.comment}</em>}
            </button>
            {chosen === head.revision && <RevisionView id={id} head={head} isLast={head === list.items[0]} onBack={setBack} />}
          </li>
        ))}
      </ol>
      {list !== null && list.total > list.items.length && <p class="muted">{list.total - list.items.length} older ones: prybar deployments history</p>}
    </SidePanel>
  );
}

function RevisionView({ id, head, isLast, onBack }: { id: number; head: Head; isLast: boolean; onBack: (back: Rollback) => void }) {
  const client = useClient();
  const [problem, setProblem] = useState<string | null>(null);
  const loaded = useLoaded(`revision ${id} ${head.revision}`, '', (signal) => client.deployments.revision(id, head.revision, { signal }));
  const rollBack = async (): Promise<void> => {
    setProblem(null);
    try {
      onBack(await client.deployments.rollback(id, { revision: head.revision }));
    } catch (error) {
      setProblem(problemWords(error));
    }
  };
  const words = problem ?? loaded.problem;
  return (
    <div class="revision-body">
      {loaded.value?.changes.slice(0, CHANGES_SHOWN).map((change) => (
        <div key={`${change.role} ${change.node}`}>
          <span class={`change ${change.change}`}>{SIGNS[change.change][0]}</span>{' '}
          {change.node === null ? `${change.role}, all nodes` : `${change.role}@${change.node}`} <span class="muted">{SIGNS[change.change][1]}</span>
          {change.change !== 'unbound' && change.values.length > 0 && <ValueList items={change.values} />}
        </div>
      ))}
      {loaded.value !== null && loaded.value.changes.length > CHANGES_SHOWN && <p class="muted">and {loaded.value.changes.length - CHANGES_SHOWN} more</p>}
      {!isLast && (
        <ConfirmButton
          label="Roll back to this"
          question={`Propose the data of revision ${head.revision}? Nothing is committed yet.`}
          answer="Propose it"
          tone="good"
          act={rollBack}
        />
      )}
      {words !== null && (
        <p class="bad-text" role="alert">
          {words}
        </p>
      )}
    </div>
  );
}

/** What the rollback proposed, and plainly what it could not bring back. */
function RolledBack({ back, onPlan }: { back: Rollback; onPlan: () => void }) {
  return (
    <Section title={`Revision ${back.revision} is proposed, not committed`}>
      <ul class="plan-words">
        <li>{countWords(back.data.length, 'change')} of data proposed</li>
        {back.bound.length > 0 && <li>bound again: {back.bound.join(', ')}</li>}
        {back.kept.map(({ name, why }) => (
          <li key={name} class="warn">
            stays: {name} ({why})
          </li>
        ))}
        {back.lost.map(({ name, why }) => (
          <li key={name} class="warn">
            cannot be brought back: {name} ({why})
          </li>
        ))}
      </ul>
      <button type="button" class="button good" onClick={onPlan}>
        Show the plan
      </button>
    </Section>
  );
}

function whatWords({ noderoles, data, unbound }: Head): string {
  const parts = [
    ...(noderoles > 0 ? [`${countWords(noderoles, 'noderole')} committed`] : []),
    ...(data > 0 ? [`data of ${data} changed`] : []),
    ...(unbound > 0 ? [`${unbound} gone`] : []),
  ];
  return parts.join(', ') || 'nothing new';
}
