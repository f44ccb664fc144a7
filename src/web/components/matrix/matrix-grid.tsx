import { useEffect, useRef, useState } from 'preact/hooks';
import type { Matrix, MatrixNode } from '../../store/board.js';
import { matrixLayout, movePlace, visibleRows, type Density, type Place } from '../../store/layout.js';
import { silentSeconds } from '../../store/phases.js';
import type { Panel } from '../../store/route.js';
import { reveal, useViewport } from '../scroller.js';
import { MatrixRow } from './matrix-row.js';

export interface MatrixGridProps {
  matrix: Matrix;
  /** Those that pass the filter, in order. */
  nodes: readonly MatrixNode[];
  density: Density;
  now: number;
  panel: Panel;
  onOpen: (panel: Panel) => void;
  onWidth: (width: number) => void;
}

const HEAD_HEIGHT: Readonly<Record<Density, number>> = { words: 44, glyphs: 146, map: 8 };

/**
 * Roles x nodes. A row holds one node, or several side by side when the list is long and the screen wide; only the rows on
 * the screen exist. One stop for the tab key: arrows move, Enter opens, and the active cell is told by aria-activedescendant.
 */
export function MatrixGrid({ matrix, nodes, density, now, panel, onOpen, onWidth }: MatrixGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useViewport(scroller);
  const [active, setActive] = useState<Place>({ row: 0, column: 0 });
  useEffect(() => onWidth(view.width), [view.width]);

  const { roles } = matrix;
  const { sizes, perRow } = matrixLayout(density, { roles: roles.length, nodes: nodes.length, nameLength: longestName(nodes) }, view.width - 24);
  const rows = Math.ceil(nodes.length / perRow);
  const head = HEAD_HEIGHT[density];
  const slice = visibleRows(rows, sizes.row, view.top, view.height - head);
  const group = roles.length + 1;
  const columns = perRow * group;
  const at = { row: Math.min(active.row, Math.max(0, rows - 1)), column: Math.min(active.column, columns - 1) };

  const targetOf = (place: Place): { id: string; panel: Panel } | null => {
    const node = nodes[place.row * perRow + Math.floor(place.column / group)];
    const role = roles[(place.column % group) - 1];
    if (node === undefined) return null;
    if (role === undefined) return { id: `name-${node.id}`, panel: { kind: 'node', id: node.id } };
    const cell = matrix.at.get(node.id)?.get(role.id);
    return { id: `cell-${node.id}-${role.id}`, panel: cell === undefined ? null : { kind: 'noderole', id: cell } };
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      const opened = targetOf(at)?.panel ?? null;
      if (opened !== null) onOpen(opened);
      return;
    }
    const moved = movePlace(event.key, event.ctrlKey, at, rows, columns, Math.max(1, Math.floor((view.height - head) / sizes.row) - 1));
    if (moved === null || scroller.current === null) return;
    event.preventDefault();
    // The last row may be short.
    if (targetOf(moved) !== null) setActive(moved);
    reveal(scroller.current, moved.row * sizes.row, (moved.row + 1) * sizes.row, head + 12);
  };
  const onClick = (event: MouseEvent): void => {
    const target = event.target instanceof Element ? event.target.closest('[data-noderole],[data-node]') : null;
    const noderole = Number(target?.getAttribute('data-noderole') ?? 0);
    const node = Number(target?.getAttribute('data-node') ?? 0);
    const nodeId = noderole > 0 ? (matrix.cells.get(noderole)?.nodeId ?? 0) : node;
    const index = nodes.findIndex(({ id }) => id === nodeId);
    if (index < 0) return;
    const roleIndex = noderole > 0 ? roles.findIndex(({ id }) => id === matrix.cells.get(noderole)?.roleId) : -1;
    setActive({ row: Math.floor(index / perRow), column: (index % perRow) * group + roleIndex + 1 });
    onOpen(noderole > 0 ? { kind: 'noderole', id: noderole } : { kind: 'node', id: node });
  };

  return (
    <div
      ref={scroller}
      class={`matrix at-${density}`}
      role="grid"
      tabIndex={0}
      aria-label={`Noderoles of deployment ${matrix.deployment}: nodes in rows, roles in columns`}
      aria-rowcount={rows + 1}
      aria-colcount={columns}
      aria-activedescendant={targetOf(at)?.id}
      style={{
        '--row': `${sizes.row}px`,
        '--name': `${sizes.name}px`,
        '--cell': `${sizes.cell}px`,
        '--gap': `${sizes.gap}px`,
        '--roles': roles.length,
        '--head': `${head}px`,
      }}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div class="matrix-head" role="row" aria-rowindex={1}>
        {Array.from({ length: Math.min(perRow, Math.max(1, nodes.length)) }, (_, index) => (
          <div key={index} class="group" role="presentation">
            <div class="corner" role="columnheader">
              {density === 'words' ? 'node' : ''}
            </div>
            {roles.map((role) => (
              <div key={role.id} class="role" role="columnheader" aria-label={role.name} title={role.name}>
                <span>{density === 'map' ? '' : role.name}</span>
              </div>
            ))}
          </div>
        ))}
      </div>
      <div class="spacer" style={{ height: `${slice.first * sizes.row}px` }} />
      {view.width > 0 &&
        Array.from({ length: slice.end - slice.first }, (_, offset) => {
          const row = slice.first + offset;
          const shown = nodes.slice(row * perRow, (row + 1) * perRow);
          return (
            <MatrixRow
              key={row}
              row={row}
              density={density}
              roles={roles}
              nodes={shown}
              cells={shown.flatMap((node) => roles.map((role) => matrix.cells.get(matrix.at.get(node.id)?.get(role.id) ?? 0)))}
              silent={shown.map((node) => coarse(silentSeconds(node.phase, node.phaseAt, now)))}
              active={row === at.row ? at.column : -1}
              open={panel?.kind === 'noderole' ? panel.id : -1}
            />
          );
        })}
      <div class="spacer" style={{ height: `${(rows - slice.end) * sizes.row}px` }} />
    </div>
  );
}

function longestName(nodes: readonly MatrixNode[]): number {
  return nodes.reduce((longest, node) => Math.max(longest, node.shortName.length), 0);
}

function coarse(seconds: number | null): number | null {
  return seconds === null ? null : Math.floor(seconds / 10) * 10;
}
