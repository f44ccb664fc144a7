import { Component, type ComponentChild, type FunctionComponent } from 'preact';

/**
 * Draws a function component only when one of its props has changed; arrays are compared item by item, because a row's cells
 * are picked anew for every frame. Thousands of tiles stay cheap this way.
 */
export function memo<Props extends object>(render: FunctionComponent<Props>): FunctionComponent<Props> {
  class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      return !isSame(this.props, next);
    }

    override render(props: Props): ComponentChild {
      return render(props, undefined);
    }
  }
  return (props) => <Memo {...props} />;
}

function isSame(a: object, b: object): boolean {
  const entries = Object.entries(b);
  if (entries.length !== Object.keys(a).length) return false;
  const before = new Map<string, unknown>(Object.entries(a));
  return entries.every(([key, value]) => isSameValue(before.get(key), value));
}

function isSameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}
