import type { DeploymentHead } from '../../store/board.js';
import { perSecond, type Rate } from '../../store/rate.js';
import { formatRoute, type Route } from '../../store/route.js';
import { Mark } from '../glyph.js';
import { StateBar } from '../state-bar.js';
import { RateView } from './rate-view.js';

export interface HeaderProps {
  route: Route;
  deployments: readonly DeploymentHead[];
  connection: 'opening' | 'open' | 'lost';
  rate: Rate;
  onOpen: (deployment: string) => void;
  onLogOut: () => void;
}

const CONNECTION_WORDS = { opening: 'connecting', open: 'live', lost: 'reconnecting' } as const;

/** The top of every page: where we are, how the deployment stands, how fast it moves, whether we still hear the server. */
export function Header({ route, deployments, connection, rate, onOpen, onLogOut }: HeaderProps) {
  const open = deployments.find((deployment) => deployment.name === route.deployment);
  return (
    <header class="header">
      <a class="brand" href={formatRoute({ page: 'fleet', deployment: '', panel: null })} aria-label="Prybar, to the fleet">
        <Mark />
        <span class="brand-name">Prybar</span>
      </a>
      <nav class="tabs" aria-label="Pages">
        <a class="tab" href="#/fleet" aria-current={route.page === 'fleet' ? 'page' : undefined}>
          Fleet
        </a>
        <a class="tab" href="#/networks" aria-current={route.page === 'networks' ? 'page' : undefined}>
          Networks
        </a>
        <a class="tab" href="#/boot" aria-current={route.page === 'boot' ? 'page' : undefined}>
          Boot
        </a>
        <label class={`picker ${route.page === 'deployment' ? 'is-current' : ''}`}>
          <span class="picker-label">Deployment</span>
          <select value={route.deployment} onChange={(event) => onOpen(event.currentTarget.value)} aria-label="Deployment to open">
            <option value="" disabled>
              choose…
            </option>
            {deployments.map((deployment) => (
              <option key={deployment.id} value={deployment.name}>
                {deployment.name}
              </option>
            ))}
          </select>
        </label>
      </nav>
      {open !== undefined && (
        <div class="standing">
          <span class={`badge d-${open.state}`}>{open.paused ? 'paused' : open.state}</span>
          <StateBar counts={open.counts} />
        </div>
      )}
      <div class="pulse">
        <RateView rate={rate} perSecond={perSecond(rate)} />
        <span class={`connection c-${connection}`} role="status">
          <span class="connection-dot" />
          {CONNECTION_WORDS[connection]}
        </span>
        <button type="button" class="button quiet" onClick={onLogOut}>
          Log out
        </button>
      </div>
    </header>
  );
}
