import type { State } from '../../store/states.js';
import { StateGlyph } from '../glyph.js';

/** Noderoles as small buttons with their state: parents, children, or all of a node. */
export function NodeRoleLinks(props: { items: readonly { id: number; name: string; state: State }[]; onOpen: (id: number) => void; most?: number }) {
  const most = props.most ?? 24;
  return (
    <ul class="links">
      {props.items.slice(0, most).map((item) => (
        <li key={item.id}>
          <button type="button" class={`noderole-link s-${item.state.toLowerCase()}`} onClick={() => props.onOpen(item.id)}>
            <StateGlyph state={item.state} />
            <span title={item.name}>{withoutDomain(item.name)}</span>
            <span class="muted">{item.state.toLowerCase()}</span>
          </button>
        </li>
      ))}
      {props.items.length > most && <li class="muted">and {props.items.length - most} more</li>}
    </ul>
  );
}

/** `role@node` without the node's domain: a panel is narrow, and the whole name stands in the title. */
function withoutDomain(name: string): string {
  const [role = name, node] = name.split('@', 2);
  return node === undefined || /^[\d.]+$/.test(node) ? name : `${role}@${node.split('.', 1)[0]}`;
}
