import type { Cell, MatrixNode, MatrixRole } from '../../store/board.js';
import type { Density } from '../../store/layout.js';
import { durationWords, cellWords } from '../../store/words.js';
import { AliveDot } from '../fleet/node-tile.js';
import { PhaseGlyph, StateGlyph } from '../glyph.js';
import { memo } from '../memo.js';

export interface RowProps {
  row: number;
  density: Density;
  roles: readonly MatrixRole[];
  /** The nodes that stand side by side in this row. */
  nodes: readonly MatrixNode[];
  /** Their cells, node after node, role after role; undefined where a role is not bound. */
  cells: readonly (Cell | undefined)[];
  /** Seconds of silence of each node, coarse; null when all is well. */
  silent: readonly (number | null)[];
  /** Column that the keyboard is at, -1 for another row. Columns count names too. */
  active: number;
  /** Cell whose panel is open. */
  open: number;
}

/** One row of the matrix; drawn only when one of its own nodes or cells has changed. */
export const MatrixRow = memo(function MatrixRow({ row, density, roles, nodes, cells, silent, active, open }: RowProps) {
  const width = roles.length + 1;
  return (
    <div class="matrix-row" role="row" aria-rowindex={row + 2}>
      {nodes.map((node, group) => (
        <div key={node.id} class="group" role="presentation">
          <NodeName node={node} density={density} silent={silent[group] ?? null} isActive={active === group * width} />
          {roles.map((role, index) => (
            <MatrixCell
              key={role.id}
              cell={cells[group * roles.length + index]}
              place={`${node.name}, ${role.name}`}
              density={density}
              id={`cell-${node.id}-${role.id}`}
              marks={`${active === group * width + index + 1 ? 'is-active' : ''} ${cells[group * roles.length + index]?.id === open ? 'is-open' : ''}`}
            />
          ))}
        </div>
      ))}
    </div>
  );
});

function NodeName({ node, density, silent, isActive }: { node: MatrixNode; density: Density; silent: number | null; isActive: boolean }) {
  const words = `${node.name}: ${node.alive ? 'alive' : 'not alive'}, ${node.phase}, bootenv ${node.bootenv}${silent === null ? '' : `, silent for ${durationWords(silent)}`}`;
  return (
    <div
      id={`name-${node.id}`}
      role="rowheader"
      class={`row-name ${node.alive ? 'is-alive' : ''} ${silent === null ? '' : 'is-silent'} ${isActive ? 'is-active' : ''}`}
      data-node={node.id}
      aria-label={words}
      title={words}
    >
      {density !== 'map' && <AliveDot alive={node.alive} />}
      {density !== 'map' && <span class="row-title">{node.shortName}</span>}
      {density === 'words' && (
        <span class="row-boot">
          <PhaseGlyph phase={node.phase} />
          <span>{silent === null ? node.phase : `silent ${durationWords(silent)}`}</span>
        </span>
      )}
    </div>
  );
}

function MatrixCell({ cell, place, density, id, marks }: { cell: Cell | undefined; place: string; density: Density; id: string; marks: string }) {
  if (cell === undefined) return <div id={id} role="gridcell" class={`cell is-empty ${marks}`} aria-label={`${place}: not bound`} />;
  const word = cellWords(cell.state, cell.run);
  const label = `${place}: ${word}`;
  return (
    <div
      id={id}
      role="gridcell"
      class={`cell s-${cell.state.toLowerCase()} ${marks}`}
      data-noderole={cell.id}
      aria-label={label}
      title={density === 'words' ? undefined : label}
    >
      <span key={cell.version} class={`face ${cell.moved ? 'is-moved' : ''}`}>
        {density !== 'map' && <StateGlyph state={cell.state} />}
        {density === 'words' && <span class="word">{word}</span>}
      </span>
    </div>
  );
}
