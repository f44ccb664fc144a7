import { useCallback, useState } from 'preact/hooks';
import { Choice, Toolbar } from '../components/header/toolbar.js';
import { MatrixGrid } from '../components/matrix/matrix-grid.js';
import { Loading, Message } from '../components/message.js';
import { RolloutLine } from '../components/rollout-line.js';
import type { Live } from '../live.js';
import type { DeploymentHead } from '../store/board.js';
import { chooseMatrixDensity, type Density } from '../store/layout.js';
import type { Panel } from '../store/route.js';
import { countSilent, filterMatrixNodes, matrixTotals, type Filter } from '../store/select.js';
import { countWords } from '../store/words.js';
import { NoMatch } from './fleet.js';

/** A rolling change takes minutes; it is read again this often. */
const ROLLOUT_EVERY_MS = 3000;

export interface DeploymentPageProps {
  live: Live;
  name: string;
  panel: Panel;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  onOpen: (panel: Panel) => void;
}

/** One deployment as a matrix of its noderoles. */
export function DeploymentPage({ live, name, panel, filter, onFilter, onOpen }: DeploymentPageProps) {
  const [density, setDensity] = useState<Density | null>(null);
  const [width, setWidth] = useState(window.innerWidth);
  // A panel that opens takes room, but must not turn the matrix into another one: only the full width decides.
  const onWidth = useCallback((next: number) => next > 0 && panel === null && setWidth(next), [panel === null]);
  const { matrix } = live.board;
  const head = live.board.deployments?.find((deployment) => deployment.name === name);
  if (matrix === null) {
    if (live.problem === null) return <Loading what={`deployment ${name}`} />;
    return (
      <Message title={`Deployment ${name} could not be read`} tone="bad">
        <p>{live.problem}</p>
        <p>
          <a class="button" href="#/fleet">
            To the fleet
          </a>
        </p>
      </Message>
    );
  }
  if (matrix.cells.size === 0) return <NothingBound name={name} />;
  const nodes = filterMatrixNodes(matrix, filter);
  const shown = density ?? chooseMatrixDensity(matrix.nodes.length, matrix.roles.length, width);
  const silent = countSilent(matrix.nodes, live.now);
  const some = nodes.length === matrix.nodes.length ? countWords(nodes.length, 'node') : `${nodes.length} of ${countWords(matrix.nodes.length, 'node')}`;
  const totals = matrixTotals(matrix);
  return (
    <div class="page">
      <Toolbar
        totals={totals}
        filter={filter}
        onFilter={onFilter}
        summary={`${some} × ${countWords(matrix.roles.length, 'role')}${silent > 0 ? `, ${silent} silent` : ''}`}
      >
        {head !== undefined && (
          <>
            <button type="button" class="button" aria-pressed={panel?.kind === 'plan'} onClick={() => onOpen({ kind: 'plan', id: head.id })}>
              Plan
            </button>
            <button type="button" class="button" aria-pressed={panel?.kind === 'history'} onClick={() => onOpen({ kind: 'history', id: head.id })}>
              History
            </button>
          </>
        )}
        <Choice
          label="Density of the matrix"
          values={[
            ['words', 'Words'],
            ['glyphs', 'Glyphs'],
            ['map', 'Map'],
          ]}
          value={shown}
          onChoose={setDensity}
        />
      </Toolbar>
      <RolloutLine name={name} version={Math.floor(live.now / ROLLOUT_EVERY_MS)} />
      {head !== undefined && !head.system && totals.PROPOSED > 0 && (
        <CommitBar deployment={head} proposed={totals.PROPOSED} onPlan={() => onOpen({ kind: 'plan', id: head.id })} />
      )}
      {nodes.length === 0 ? (
        <NoMatch onClear={() => onFilter({ text: '', state: null })} />
      ) : (
        <MatrixGrid matrix={matrix} nodes={nodes} density={shown} now={live.now} panel={panel} onOpen={onOpen} onWidth={onWidth} />
      )}
    </div>
  );
}

/** What is proposed does nothing until it is committed: the most common "why does nothing happen". The plan comes first. */
function CommitBar({ deployment, proposed, onPlan }: { deployment: DeploymentHead; proposed: number; onPlan: () => void }) {
  return (
    <div class="commit-bar">
      <span>
        {countWords(proposed, 'noderole')} {proposed === 1 ? 'is' : 'are'} proposed: nothing happens to {proposed === 1 ? 'it' : 'them'} before{' '}
        {deployment.name} is committed.
      </span>
      <button type="button" class="button good" onClick={onPlan}>
        Review the plan and commit
      </button>
    </div>
  );
}

function NothingBound({ name }: { name: string }) {
  return (
    <Message title={`No role is bound in ${name} yet`}>
      <p>Bind roles to nodes, then commit:</p>
      <ol>
        <li>
          <code>npx prybar deployments bind {name} provisioner-os-install node-1</code>
        </li>
        <li>
          <code>npx prybar deployments commit {name} --watch</code>
        </li>
      </ol>
    </Message>
  );
}
