import { useRef, useState } from 'preact/hooks';
import type { FleetNode } from '../../store/board.js';
import { movePlace, TILE_SIZES, tilesPerRow, visibleRows, type TileSize } from '../../store/layout.js';
import { silentSeconds } from '../../store/phases.js';
import { reveal, useViewport } from '../scroller.js';
import { NodeTile } from './node-tile.js';

export interface TileGridProps {
  nodes: readonly FleetNode[];
  size: TileSize;
  now: number;
  onOpen: (nodeId: number) => void;
}

const PADDING = 14;

/** All nodes as tiles; only the rows on the screen exist. One stop for the tab key, arrows move within. */
export function TileGrid({ nodes, size, now, onOpen }: TileGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useViewport(scroller);
  const [active, setActive] = useState(0);
  const columns = tilesPerRow(size, view.width - 2 * PADDING);
  const rows = Math.ceil(nodes.length / columns);
  const { height } = TILE_SIZES[size];
  const slice = visibleRows(rows, height, view.top - PADDING, view.height);
  const activeIndex = Math.min(active, nodes.length - 1);

  const onKeyDown = (event: KeyboardEvent): void => {
    const node = nodes[activeIndex];
    if (event.key === 'Enter' && node !== undefined) return onOpen(node.id);
    const page = Math.max(1, Math.floor(view.height / height) - 1);
    const place = { row: Math.floor(activeIndex / columns), column: activeIndex % columns };
    const moved = movePlace(event.key, event.ctrlKey, place, rows, columns, page);
    if (moved === null || scroller.current === null) return;
    event.preventDefault();
    setActive(Math.min(nodes.length - 1, moved.row * columns + moved.column));
    reveal(scroller.current, moved.row * height, (moved.row + 1) * height, 2 * PADDING);
  };
  const onClick = (event: MouseEvent): void => {
    const id = Number(event.target instanceof Element ? event.target.closest('[data-node]')?.getAttribute('data-node') : 0);
    const index = nodes.findIndex((node) => node.id === id);
    if (index < 0) return;
    setActive(index);
    onOpen(id);
  };

  return (
    <div
      ref={scroller}
      class={`fleet of-${size}`}
      role="grid"
      tabIndex={0}
      aria-label="Nodes"
      aria-rowcount={rows}
      aria-colcount={columns}
      aria-activedescendant={nodes[activeIndex] === undefined ? undefined : `tile-${nodes[activeIndex].id}`}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div class="spacer" style={{ height: `${slice.first * height}px` }} />
      {view.width > 0 &&
        Array.from({ length: slice.end - slice.first }, (_, offset) => {
          const row = slice.first + offset;
          return (
            <div
              key={row}
              class="tile-row"
              role="row"
              aria-rowindex={row + 1}
              style={{ height: `${height}px`, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
            >
              {nodes.slice(row * columns, (row + 1) * columns).map((node, column) => (
                <NodeTile
                  key={node.id}
                  node={node}
                  size={size}
                  silent={coarse(silentSeconds(node.phase, node.phaseAt, now))}
                  isActive={row * columns + column === activeIndex}
                />
              ))}
            </div>
          );
        })}
      <div class="spacer" style={{ height: `${(rows - slice.end) * height}px` }} />
    </div>
  );
}

/** Silence to ten seconds: a tile need not be drawn each second for it. */
function coarse(seconds: number | null): number | null {
  return seconds === null ? null : Math.floor(seconds / 10) * 10;
}
