/** Values that change, old and new. */
export type ValueItem = { where?: string; path: string; before?: unknown; after?: unknown };

export function ValueList({ items }: { items: readonly ValueItem[] }) {
  return (
    <ul class="values">
      {items.map((item, index) => (
        <li key={index}>
          {item.where !== undefined && <span class="muted">{item.where}: </span>}
          <code>{item.path}</code> {item.before !== undefined && <del>{JSON.stringify(item.before)}</del>}{' '}
          {item.after === undefined ? <span class="muted">removed</span> : <ins>{JSON.stringify(item.after)}</ins>}
        </li>
      ))}
    </ul>
  );
}
