import { useState } from 'preact/hooks';
import { TileGrid } from '../components/fleet/tile-grid.js';
import { Choice, Toolbar } from '../components/header/toolbar.js';
import { Loading, Message } from '../components/message.js';
import type { Live } from '../live.js';
import { chooseTileSize, type TileSize } from '../store/layout.js';
import { countSilent, filterFleet, fleetTotals, type Filter } from '../store/select.js';
import { countWords } from '../store/words.js';

/** Every node as a tile. */
export function FleetPage({
  live,
  filter,
  onFilter,
  onNode,
}: {
  live: Live;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  onNode: (id: number) => void;
}) {
  const [size, setSize] = useState<TileSize | null>(null);
  const { fleet } = live.board;
  if (fleet === null) {
    if (live.problem === null) return <Loading what="the fleet" />;
    return (
      <Message title="The fleet could not be read" tone="bad">
        <p>{live.problem} It is tried again every few seconds.</p>
      </Message>
    );
  }
  if (fleet.size === 0) return <NoNodes />;
  const all = [...fleet.values()];
  const nodes = filterFleet(fleet, filter);
  const shown = size ?? chooseTileSize(fleet.size);
  const silent = countSilent(all, live.now);
  const alive = all.filter((node) => node.alive).length;
  const some = nodes.length === fleet.size ? countWords(fleet.size, 'node') : `${nodes.length} of ${countWords(fleet.size, 'node')}`;
  return (
    <div class="page">
      <Toolbar totals={fleetTotals(all)} filter={filter} onFilter={onFilter} summary={`${some}, ${alive} alive${silent > 0 ? `, ${silent} silent` : ''}`}>
        <Choice
          label="Size of the tiles"
          values={[
            ['card', 'Cards'],
            ['chip', 'Chips'],
            ['dot', 'Dots'],
          ]}
          value={shown}
          onChoose={setSize}
        />
      </Toolbar>
      {nodes.length === 0 ? (
        <NoMatch onClear={() => onFilter({ text: '', state: null })} />
      ) : (
        <TileGrid nodes={nodes} size={shown} now={live.now} onOpen={onNode} />
      )}
    </div>
  );
}

export function NoMatch({ onClear }: { onClear: () => void }) {
  return (
    <Message title="No node passes the filter">
      <p>
        <button type="button" class="button" onClick={onClear}>
          Show all
        </button>
      </p>
    </Message>
  );
}

function NoNodes() {
  return (
    <Message title="No nodes yet">
      <p>A machine appears here by itself when it PXE-boots on a network that Prybar serves. To get there:</p>
      <ol>
        <li>
          Try it without hardware: <code>npm start</code> racks up 12 simulated nodes, <code>npm start -- --rack 200</code> more.
        </li>
        <li>
          Serve a real segment: <code>npm start -- --interface eth1</code>, then switch a machine on with network boot first.
        </li>
        <li>Watch its boot here: each step from DHCP to the agent shows as it happens, and a boot that stops says where.</li>
      </ol>
    </Message>
  );
}
