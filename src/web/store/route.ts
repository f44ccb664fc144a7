/** What the address bar says. Hash routes, so that the page needs no rewriting server and a link to one noderole can be sent to a colleague. */

/** `plan` and `history` are of the deployment with that id. */
export type Panel = { readonly kind: 'node' | 'noderole' | 'plan' | 'history'; readonly id: number } | null;

export interface Route {
  /** `home` until we know whether there is a deployment worth opening. */
  readonly page: 'home' | 'fleet' | 'networks' | 'boot' | 'deployment';
  /** Name of the deployment, '' on the other pages. */
  readonly deployment: string;
  readonly panel: Panel;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', name = ''] = path.split('/');
  const panel = parsePanel(new URLSearchParams(query));
  if (page === 'fleet' || page === 'networks' || page === 'boot') return { page, deployment: '', panel };
  if (page === 'deployment' && name !== '') return { page, deployment: decode(name), panel };
  return { page: 'home', deployment: '', panel: null };
}

export function formatRoute(route: Route): string {
  const path = route.page === 'deployment' ? `deployment/${encodeURIComponent(route.deployment)}` : route.page;
  return `#/${path}${route.panel === null ? '' : `?${route.panel.kind}=${route.panel.id}`}`;
}

function parsePanel(query: URLSearchParams): Panel {
  for (const kind of ['noderole', 'node', 'plan', 'history'] as const) {
    const id = Number(query.get(kind));
    if (Number.isSafeInteger(id) && id > 0) return { kind, id };
  }
  return null;
}

/** A hand-edited `%` must not take the page down. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
