import type { Panel } from '../../store/route.js';

export interface WhyView {
  readonly noderole: { readonly state: string };
  readonly answer: string;
  readonly chain: readonly { kind: string; text: string; noderole_id?: number | undefined; node_id?: number | undefined; run_id?: number | undefined }[];
  readonly unblock: string;
}

/** Why it is as it is: the answer, the chain down to its root as steps, and what to do. Each step leads to what it speaks of. */
export function WhySteps({ why, self, onOpen }: { why: WhyView; self: Panel; onOpen: (panel: Panel) => void }) {
  return (
    <div class="why">
      <p class="why-answer">{why.answer}</p>
      {why.chain.length > 0 && (
        <ol class="chain">
          {why.chain.map((link, index) => {
            const target = targetOf(link);
            const isElsewhere = target !== null && (target.kind !== self?.kind || target.id !== self.id);
            return (
              <li key={index} class={`chain-step k-${link.kind}`}>
                {isElsewhere ? (
                  <button type="button" class="link" onClick={() => onOpen(target)}>
                    {link.text}
                  </button>
                ) : (
                  link.text
                )}
              </li>
            );
          })}
        </ol>
      )}
      {why.unblock !== '' && why.noderole.state !== 'ACTIVE' && (
        <p class="unblock">
          <span class="unblock-word">What to do</span>
          {why.unblock}
        </p>
      )}
    </div>
  );
}

function targetOf(link: WhyView['chain'][number]): Panel {
  if (link.noderole_id !== undefined) return { kind: 'noderole', id: link.noderole_id };
  return link.node_id === undefined ? null : { kind: 'node', id: link.node_id };
}
