import { useEffect, useRef } from 'preact/hooks';
import { useClient, useLoaded, type Client } from '../../api.js';
import { bootLines, presentSteps, type BootLine } from '../../store/boot-steps.js';
import { clockWords, durationWords } from '../../store/words.js';
import { Loading, Message } from '../message.js';
import { Section } from './side-panel.js';

type Doctor = Awaited<ReturnType<Client['nodes']['bootDoctor']>>;

/** While a boot goes on its steps come faster than the node changes. */
const LOOK_MS = 2_000;
/** A gap below this is no news. Seconds. */
const GAP_SHOWN = 3;

/** The present boot of a node, step by step, and what the doctor says when it has stopped. */
export function BootWatch({ id, version }: { id: number; version: string | number }) {
  const client = useClient();
  const loaded = useLoaded(`boot of node ${id}`, version, async (signal) => {
    const [timeline, doctor] = await Promise.all([client.nodes.bootTimeline(id, { limit: 300 }, { signal }), client.nodes.bootDoctor(id, { signal })]);
    return { timeline, doctor };
  });
  const verdict = loaded.value?.doctor.verdict;
  useEffect(() => {
    if (verdict === 'running') return;
    const timer = window.setInterval(loaded.reload, LOOK_MS);
    return () => clearInterval(timer);
  }, [id, verdict]);
  const value = loaded.value;
  return (
    <Section title="Present boot">
      {loaded.problem !== null && (
        <Message title="The boot could not be read" tone="bad">
          <p>{loaded.problem}</p>
        </Message>
      )}
      {value === null && loaded.problem === null && <Loading what="the boot" />}
      {value !== null && (
        <>
          <DoctorWords doctor={value.doctor} />
          {value.timeline.items.length === 0 ? (
            <p class="muted">Not one packet of it was seen. Switch it on with the network as its boot device; its steps appear here as they come.</p>
          ) : (
            <BootSteps lines={bootLines(presentSteps(value.timeline.items, value.timeline.present_from))} />
          )}
        </>
      )}
    </Section>
  );
}

/** The best suspect in full, the others by name; nothing for a boot that is well. */
function DoctorWords({ doctor }: { doctor: Doctor }) {
  const [first, ...others] = doctor.suspects;
  if (first === undefined) {
    return doctor.verdict === 'stalled' ? (
      <p class="unblock is-bad">
        <span class="unblock-word">It has stopped</span>
        No known cause fits. Look at its console.
      </p>
    ) : null;
  }
  return (
    <div class={`unblock doctor ${first.certainty === 'possible' ? '' : 'is-bad'}`} role="status">
      <span class="unblock-word">{first.certainty}</span>
      <strong>{first.title}</strong>
      {first.because.map((reason) => (
        <span key={reason} class="doctor-because">
          {reason}
        </span>
      ))}
      <span>{first.means}</span>
      <span>
        <b>Do:</b> {first.fix}
      </span>
      <span class="muted">Proof: {first.proof}</span>
      {others.length > 0 && <span class="muted">Also: {others.map(({ title, certainty }) => `${title} (${certainty})`).join('; ')}</span>}
    </div>
  );
}

const TONE_WORDS: Record<BootLine['tone'], string> = { good: 'done', plain: 'seen', bad: 'problem' };

function BootSteps({ lines }: { lines: readonly BootLine[] }) {
  const list = useRef<HTMLOListElement>(null);
  // The newest step is the one that matters, and it is the last.
  useEffect(() => list.current?.scrollTo({ top: list.current.scrollHeight }), [lines.length]);
  return (
    <ol class="boot-steps" ref={list} tabIndex={0} aria-label="Steps of the present boot, oldest first">
      {lines.map((line) => (
        <li key={line.key} class={`boot-step is-${line.tone}`}>
          {line.gap >= GAP_SHOWN && <span class="boot-gap">{durationWords(line.gap)}</span>}
          <span class="boot-dot" role="img" aria-label={TONE_WORDS[line.tone]} />
          <time>{clockWords(line.at)}</time>
          <span class="boot-title">
            {line.title}
            {line.times > 1 && <span class="boot-times"> ×{line.times}</span>}
          </span>
          <span class="boot-text">{line.text}</span>
          {line.share !== null && <progress class="boot-share" value={line.share} max={1} aria-label="of the file" />}
        </li>
      ))}
    </ol>
  );
}
