import { useState } from 'preact/hooks';
import { PLAN_REASONS } from '../../client/plan-words.js';
import { problemWords, useClient, useLoaded, type Client } from '../api.js';
import { ConfirmButton } from '../components/confirm-button.js';
import { Loading, Message } from '../components/message.js';
import { Section, SidePanel } from '../components/panel/side-panel.js';
import { ValueList } from '../components/panel/value-list.js';
import { shortNames } from '../store/names.js';
import { countWords } from '../store/words.js';

type Plan = Awaited<ReturnType<Client['deployments']['plan']>>;

const NODES_SHOWN = 12;
const VALUES_SHOWN = 40;

/** What a commit would do, before it is done: the disks it erases first. Commits that plan and no other. */
export function PlanPanel({ id, version, onClose }: { id: number; version: string; onClose: () => void }) {
  const client = useClient();
  const loaded = useLoaded(`plan ${id}`, version, (signal) => client.deployments.plan(id, undefined, { signal }));
  const plan = loaded.value;
  return (
    <SidePanel
      subject={`plan ${id}`}
      label="Plan"
      title={<span class="panel-name">Plan{plan === null ? '' : ` of ${plan.deployment.name}, revision ${plan.revision}`}</span>}
      onClose={onClose}
    >
      {plan === null && loaded.problem === null && <Loading what="the plan" />}
      {loaded.problem !== null && (
        <Message title="The plan could not be read" tone="bad">
          <p>{loaded.problem}</p>
        </Message>
      )}
      {plan !== null && <PlanView plan={plan} />}
      {plan !== null && plan.refusals.length === 0 && <CommitPlan plan={plan} onDone={onClose} onChanged={loaded.reload} />}
    </SidePanel>
  );
}

/** The plan itself; rolling back shows one too. */
export function PlanView({ plan }: { plan: Plan }) {
  const erased = plan.erases.filter((erase) => !erase.underway);
  const short = shortNames([...new Set([...plan.nodes, ...plan.erases.map((erase) => erase.node)])]);
  const someNodes = (nodes: readonly string[]): string => someWords(nodes.map((node) => short.get(node) ?? node));
  if (plan.refusals.some((refusal) => refusal.code === 'nothing-to-commit' || refusal.code === 'deployment-empty'))
    return <Message title="Nothing to commit">{plan.refusals.map((refusal) => refusal.message).join('; ')}</Message>;
  return (
    <>
      {erased.length > 0 && (
        <section class="erases" role="alert">
          <h3>{countWords(erased.length, 'disk')} will be ERASED</h3>
          <p>{erased.length === 1 ? 'This machine is' : 'These machines are'} installed anew and will reboot:</p>
          <ul>
            {erased.slice(0, NODES_SHOWN).map((erase) => (
              <li key={erase.noderole}>
                <strong>{short.get(erase.node)}</strong> {erase.disk === null ? 'disk not known yet' : `${erase.disk.name}${sizeWords(erase.disk.size_bytes)}`}
                {erase.os !== null && `, ${erase.os}`}
                {erase.held && ', as soon as it can run'}
              </li>
            ))}
          </ul>
          {erased.length > NODES_SHOWN && <p>and {erased.length - NODES_SHOWN} more</p>}
        </section>
      )}
      <ul class="plan-words">
        {plan.words
          .filter(({ tone }) => tone !== 'danger')
          .map(({ tone, text }) => (
            <li key={text} class={tone}>
              {text}
            </li>
          ))}
      </ul>
      {plan.waves.length > 0 && (
        <Section title="In this order">
          <ol class="waves">
            {plan.waves.map((groups, index) => (
              <li key={index}>
                {groups.map((group) => (
                  <p key={`${group.role} ${group.reason}`}>
                    <strong>{group.role}</strong> <span class="muted">{PLAN_REASONS[group.reason]}</span> {someNodes(group.nodes)}
                  </p>
                ))}
              </li>
            ))}
          </ol>
        </Section>
      )}
      {plan.data.length > 0 && (
        <Section title="Data that changes">
          <ValueList
            items={plan.data
              .slice(0, VALUES_SHOWN)
              .map((change) => ({ ...change, where: change.nodes === null ? `${change.role}, all nodes` : `${change.role} on ${someNodes(change.nodes)}` }))}
          />
          {plan.data.length > VALUES_SHOWN && <p class="muted">and {plan.data.length - VALUES_SHOWN} more</p>}
        </Section>
      )}
    </>
  );
}

function CommitPlan({ plan, onDone, onChanged }: { plan: Plan; onDone: () => void; onChanged: () => void }) {
  const client = useClient();
  const [comment, setComment] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const erased = plan.erases.filter((erase) => !erase.underway).length;
  const commit = async (): Promise<void> => {
    setProblem(null);
    try {
      await client.deployments.commit(plan.deployment.id, { plan_hash: plan.hash, ...(comment === '' ? {} : { comment }) });
      onDone();
    } catch (error) {
      setProblem(problemWords(error));
      onChanged();
    }
  };
  return (
    <div class="commit-plan">
      <input
        type="text"
        maxLength={2000}
        placeholder="Why, for the history (optional)"
        aria-label="Comment"
        value={comment}
        onInput={(event) => setComment(event.currentTarget.value)}
      />
      <ConfirmButton
        label={erased === 0 ? 'Commit this plan' : `Commit and erase ${countWords(erased, 'disk')}`}
        question={erased === 0 ? `Commit ${plan.deployment.name}?` : `ERASE ${countWords(erased, 'disk')}? This cannot be undone.`}
        answer={erased === 0 ? 'Commit it' : 'Erase and commit'}
        tone={erased === 0 ? 'good' : 'bad'}
        act={commit}
      />
      {problem !== null && (
        <p class="bad-text" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function someWords(names: readonly string[]): string {
  return names.length > NODES_SHOWN ? `${names.slice(0, NODES_SHOWN).join(', ')} and ${names.length - NODES_SHOWN} more` : names.join(', ');
}

const sizeWords = (bytes: number | undefined): string => (bytes === undefined ? '' : ` (${Math.round(bytes / 1e9)} GB)`);
