import type { ComponentChildren } from 'preact';

export interface BootRecordsView {
  readonly desired: { bootenv: string; generation: number; reason: string };
  readonly served: { bootenv: string | null; generation: number; served: boolean };
  readonly observed: { bootenv: string | null; class: string | null; boot_id: string | null };
}

/** The three boot records side by side: what we want, what the boot servers answer, what the machine says it runs. */
export function BootRecords({ desired, served, observed }: BootRecordsView) {
  const isServed = served.served && served.bootenv === desired.bootenv;
  const isObserved = observed.bootenv === desired.bootenv;
  return (
    <div class="records">
      <Record name="desired" value={desired.bootenv} isSettled note={`generation ${desired.generation}: ${desired.reason}`} />
      <Record
        name="served"
        value={served.bootenv ?? 'nothing'}
        isSettled={isServed}
        note={isServed ? `by every boot server, generation ${served.generation}` : `waits for the boot servers, generation ${served.generation}`}
      />
      <Record
        name="observed"
        value={observed.bootenv ?? 'nothing yet'}
        isSettled={isObserved}
        note={observed.class === null ? 'has not reported a boot' : `reported as ${observed.class}`}
      />
    </div>
  );
}

function Record(props: { name: string; value: ComponentChildren; isSettled: boolean; note: string }) {
  return (
    <div class={`record ${props.isSettled ? 'is-settled' : 'is-open'}`}>
      <span class="record-name">{props.name}</span>
      <span class="record-value">{props.value}</span>
      <span class="record-note">{props.note}</span>
    </div>
  );
}
