import type { FleetNode } from '../../store/board.js';
import type { TileSize } from '../../store/layout.js';
import { PHASE_STEPS, phaseOf } from '../../store/phases.js';
import { worstState, totalOf } from '../../store/states.js';
import { durationWords } from '../../store/words.js';
import { PhaseGlyph, StateGlyph } from '../glyph.js';
import { memo } from '../memo.js';
import { StateBar, stateWords } from '../state-bar.js';

export interface TileProps {
  node: FleetNode;
  size: TileSize;
  isActive: boolean;
  /** Seconds of silence, rounded by the caller so that a tile is not drawn anew each second; null when all is well. */
  silent: number | null;
}

/** One machine. The same facts in three sizes: as a card, as a chip, as a dot. */
export const NodeTile = memo(function NodeTile({ node, size, isActive, silent }: TileProps) {
  const worst = worstState(node.counts);
  const tone = `w-${(worst ?? 'none').toLowerCase()}`;
  return (
    <div
      id={`tile-${node.id}`}
      class={`tile ${size} ${tone} ${node.alive ? 'is-alive' : ''} ${silent === null ? '' : 'is-silent'} ${isActive ? 'is-active' : ''}`}
      role="gridcell"
      data-node={node.id}
      aria-label={tileWords(node, silent)}
      title={size === 'card' ? undefined : tileWords(node, silent)}
    >
      {size === 'card' && <Card node={node} silent={silent} />}
      {size === 'chip' && <Chip node={node} />}
      {size === 'dot' && <span class="dot">{worst !== null && worst !== 'ACTIVE' && <StateGlyph state={worst} />}</span>}
    </div>
  );
});

function Card({ node, silent }: { node: FleetNode; silent: number | null }) {
  const phase = phaseOf(node.phase);
  // The admin node runs Prybar itself: it boots from nobody.
  if (node.kind !== 'machine') {
    return (
      <>
        <span class="tile-head">
          <AliveDot alive={node.alive} />
          <span class="tile-name">{node.shortName}</span>
        </span>
        <span class="tile-phase muted">{node.kind === 'admin' ? 'runs Prybar' : node.kind}</span>
        <StateBar counts={node.counts} />
      </>
    );
  }
  return (
    <>
      <span class="tile-head">
        <AliveDot alive={node.alive} />
        <span class="tile-name" title={node.name}>
          {node.shortName}
        </span>
        {!node.available && <span class="tag">unavailable</span>}
      </span>
      <span class="tile-phase" title={phase.meaning}>
        <PhaseGlyph phase={node.phase} />
        <span class="tile-word">{phase.word}</span>
        {silent === null ? <span class="tile-detail">{node.phaseDetail}</span> : <span class="silent">silent {durationWords(silent)}</span>}
      </span>
      <PhaseMeter phase={node.phase} />
      <BootenvPair desired={node.desired} observed={node.observed} />
      <StateBar counts={node.counts} />
    </>
  );
}

function Chip({ node }: { node: FleetNode }) {
  return (
    <>
      <span class="tile-head">
        <AliveDot alive={node.alive} />
        {/* The end of a name tells nodes apart: that is what stays when it is too long. */}
        <span class="tile-name is-end">
          <bdi>{node.shortName}</bdi>
        </span>
        <PhaseGlyph phase={node.phase} />
      </span>
      <StateBar counts={node.counts} />
    </>
  );
}

export function AliveDot({ alive }: { alive: boolean }) {
  return <span class={`alive ${alive ? 'yes' : 'no'}`} role="img" aria-label={alive ? 'alive' : 'not alive'} title={alive ? 'alive' : 'not alive'} />;
}

/** How far the boot has come, as a row of pips. */
function PhaseMeter({ phase }: { phase: string }) {
  const { step } = phaseOf(phase);
  return (
    <span class="meter" aria-hidden="true">
      {Array.from({ length: PHASE_STEPS }, (_, index) => (
        <span key={index} class={`pip ${index < step ? 'is-done' : ''} ${index === step - 1 && step < PHASE_STEPS ? 'is-now' : ''}`} />
      ))}
    </span>
  );
}

/** What it booted and what it should boot: one word when they agree, an arrow when not. */
export function BootenvPair({ desired, observed }: { desired: string; observed: string | null }) {
  if (observed === desired) return <span class="bootenv is-settled">{desired}</span>;
  return (
    <span class="bootenv" title={`runs ${observed ?? 'nothing we know of'}, should boot ${desired}`}>
      <span class="bootenv-old">{observed ?? 'nothing yet'}</span>
      <span class="bootenv-arrow" aria-label="should boot">
        →
      </span>
      <span class="bootenv-new">{desired}</span>
    </span>
  );
}

function tileWords(node: FleetNode, silent: number | null): string {
  const boot = node.observed === node.desired ? node.desired : `${node.observed ?? 'nothing'} to ${node.desired}`;
  const roles = totalOf(node.counts) === 0 ? 'no noderoles' : stateWords(node.counts);
  const quiet = silent === null ? '' : `, silent for ${durationWords(silent)}`;
  return `${node.name}: ${node.alive ? 'alive' : 'not alive'}, ${node.phase}${quiet}, bootenv ${boot}, ${roles}`;
}
