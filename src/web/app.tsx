import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ClientContext, connect } from './api.js';
import { Header } from './components/header/header.js';
import { Notices } from './components/header/notices.js';
import { Loading } from './components/message.js';
import { LiveBoard, type Live } from './live.js';
import { DeploymentPage } from './pages/deployment.js';
import { FleetPage } from './pages/fleet.js';
import { LoginPage } from './pages/login.js';
import { BootServicesPage } from './pages/boot-services.js';
import { NetworksPage } from './pages/networks.js';
import { HistoryPanel } from './pages/deployment-history.js';
import { PlanPanel } from './pages/deployment-plan.js';
import { NodePanel } from './pages/node-panel.js';
import { NodeRolePanel } from './pages/noderole-panel.js';
import { keepToken, readToken } from './session.js';
import type { Board } from './store/board.js';
import { formatRoute, parseRoute, type Panel, type Route } from './store/route.js';
import { NO_FILTER, type Filter } from './store/select.js';
import { totalOf } from './store/states.js';

/** Login, or the session. */
export function App() {
  const [token, setToken] = useState(readToken);
  const [reason, setReason] = useState<string | null>(null);
  const change = (next: string | null, why: string | null): void => {
    keepToken(next);
    setToken(next);
    setReason(why);
  };
  if (token === null) return <LoginPage reason={reason} onToken={(given) => change(given, null)} />;
  return <Session key={token} token={token} onEnd={(why) => change(null, why)} />;
}

function Session({ token, onEnd }: { token: string; onEnd: (reason: string | null) => void }) {
  const client = useMemo(() => connect(token), [token]);
  const route = useRoute();
  const [live, setLive] = useState<Live | null>(null);
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const [dismissed, setDismissed] = useState<string | null>(null);
  const feed = useRef<LiveBoard | null>(null);
  useEffect(() => {
    const board = new LiveBoard(client, setLive, () => onEnd('The server no longer takes this token. Log in again.'));
    feed.current = board;
    board.start();
    return () => board.close();
  }, [client]);
  useEffect(() => {
    setFilter(NO_FILTER);
    feed.current?.show(route.page === 'deployment' ? { page: route.page, deployment: route.deployment } : { page: route.page });
  }, [client, route.page, route.deployment]);
  const deployments = live?.board.deployments ?? null;
  useEffect(() => {
    if (route.page !== 'home' || deployments === null) return;
    const worthOpening = deployments.find((deployment) => !deployment.system && totalOf(deployment.counts) > 0);
    const home: Route =
      worthOpening === undefined ? { page: 'fleet', deployment: '', panel: null } : { page: 'deployment', deployment: worthOpening.name, panel: null };
    location.replace(formatRoute(home));
  }, [route.page, deployments]);
  const open = (panel: Panel): void => {
    location.hash = formatRoute({ ...route, panel });
  };
  useKeys(() => open(null), route.panel !== null);

  if (live === null) return <Loading what="the board" />;
  const notices = live.board.notices.slice(0, dismissed === null ? undefined : indexOrAll(live.board, dismissed));
  const panelProps = { now: live.now, onOpen: open, onClose: () => open(null) };
  return (
    <ClientContext.Provider value={client}>
      <div class={`shell ${route.panel === null ? '' : 'has-panel'}`}>
        <Header
          route={route}
          deployments={live.board.deployments ?? []}
          connection={live.connection}
          rate={live.rate}
          onOpen={(deployment) => (location.hash = formatRoute({ page: 'deployment', deployment, panel: null }))}
          onLogOut={() => onEnd(null)}
        />
        <Notices
          problem={live.problem}
          lost={live.connection === 'lost'}
          notices={notices}
          now={live.now}
          onDismiss={() => setDismissed(live.board.notices[0]?.key ?? null)}
          onNode={(id) => open({ kind: 'node', id })}
        />
        <main class="main">
          {route.page === 'fleet' && <FleetPage live={live} filter={filter} onFilter={setFilter} onNode={(id) => open({ kind: 'node', id })} />}
          {route.page === 'deployment' && (
            <DeploymentPage live={live} name={route.deployment} panel={route.panel} filter={filter} onFilter={setFilter} onOpen={open} />
          )}
          {route.page === 'networks' && <NetworksPage now={live.now} />}
          {route.page === 'boot' && <BootServicesPage now={live.now} />}
          {route.page === 'home' && <Loading what="the deployments" />}
        </main>
        {route.panel?.kind === 'noderole' && <NodeRolePanel id={route.panel.id} version={nodeRoleVersion(live, route.panel.id)} {...panelProps} />}
        {route.panel?.kind === 'plan' && <PlanPanel id={route.panel.id} version={deploymentVersion(live, route.panel.id)} onClose={panelProps.onClose} />}
        {route.panel?.kind === 'history' && <HistoryPanel id={route.panel.id} version={deploymentVersion(live, route.panel.id)} {...panelProps} />}
        {route.panel?.kind === 'node' && <NodePanel id={route.panel.id} version={nodeVersion(live, route.panel.id)} {...panelProps} />}
      </div>
    </ClientContext.Provider>
  );
}

/** Every this many milliseconds a panel is read again even when no event named its subject: heartbeats and waits make none. */
const PANEL_REREAD_MS = 5000;

function nodeRoleVersion(live: Live, id: number): string {
  const cell = live.board.matrix?.cells.get(id);
  return `${cell?.version ?? ''} ${cell?.run?.id ?? ''} ${cell?.run?.status ?? ''} ${Math.floor(live.now / PANEL_REREAD_MS)}`;
}

function nodeVersion(live: Live, id: number): string {
  const node = live.board.fleet?.get(id) ?? live.board.matrix?.nodes.find((each) => each.id === id);
  return `${node?.phase ?? ''} ${node?.alive ?? ''} ${Math.floor(live.now / PANEL_REREAD_MS)}`;
}

/** A plan is read again when something was bound or committed; not each second: it may be thousands of noderoles. */
function deploymentVersion(live: Live, id: number): string {
  const head = live.board.deployments?.find((deployment) => deployment.id === id);
  return `${head?.revision ?? ''} ${head?.counts.PROPOSED ?? ''} ${head?.counts.ERROR ?? ''}`;
}

function indexOrAll(board: Board, key: string): number | undefined {
  const index = board.notices.findIndex((notice) => notice.key === key);
  return index < 0 ? undefined : index;
}

function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

/** Esc closes the panel and gives the grid its focus back; `/` goes to the search, unless one is typing. */
function useKeys(closePanel: () => void, isOpen: boolean): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === 'Escape' && isOpen) {
        closePanel();
        document.querySelector<HTMLElement>('[role=grid]')?.focus({ preventScroll: true });
      } else if (event.key === '/' && !isTyping) {
        event.preventDefault();
        document.getElementById('search')?.focus();
      }
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  });
}
