import { describe, it, expect } from '@jest/globals';
import { applyEvents, EMPTY_BOARD, withSnapshot } from '../../../../src/cli/board/model.js';
import type { ApiEvent } from '../../../../src/client/client.js';
import { rackMatrix, rackNode, rackSnapshot, START } from './rack.js';

function event(kind: string, subjectId: number, version: number, data: Record<string, string | number>, seconds = 1): ApiEvent {
  const subject_type = kind.startsWith('noderole') ? 'noderole' : 'node';
  return { type: 'event', id: '1.1.0', kind, subject_type, subject_id: subjectId, version, at: new Date(START + seconds * 1000).toISOString(), data };
}

const changed = (id: number, to: string, version: number) =>
  event('noderole-changed', id, version, { from: 'TODO', to, deployment_id: 7, node_id: 1, role_id: 1 });
const rack = withSnapshot(EMPTY_BOARD, rackSnapshot(3));

describe('what the board knows', () => {
  it('takes a newer state from an event', () => {
    const { state, stale } = applyEvents(rack, [changed(1, 'TRANSITION', 6), changed(1, 'ACTIVE', 7)]);
    expect(state.cells.get(1)).toMatchObject({ state: 'ACTIVE', version: 7 });
    expect(stale).toBe(false);
  });

  it('ignores an event that is older than what it knows, and one that comes twice', () => {
    const { state } = applyEvents(rack, [changed(1, 'ACTIVE', 7), changed(1, 'TRANSITION', 6), changed(1, 'ERROR', 7), changed(1, 'BLOCKED', 5)]);
    expect(state.cells.get(1)).toMatchObject({ state: 'ACTIVE', version: 7 });
  });

  it('is not set back by a snapshot that was read before the event', () => {
    const { state } = applyEvents(rack, [changed(1, 'ACTIVE', 7)]);
    expect(withSnapshot(state, rackSnapshot(3)).cells.get(1)).toMatchObject({ state: 'ACTIVE', version: 7 });
  });

  it('leaves what was known as it was', () => {
    applyEvents(rack, [changed(1, 'ACTIVE', 7)]);
    expect(rack.cells.get(1)?.state).toBe('TODO');
  });

  it('forgets what a snapshot no longer has', () => {
    const next = withSnapshot(rack, { nodes: [rackNode(0)], matrix: rackMatrix(1) });
    expect([next.nodes.size, next.cells.size]).toEqual([1, 4]);
    expect(withSnapshot(rack, { nodes: [], matrix: null })).toEqual(EMPTY_BOARD);
  });

  it('follows the boot of a node, and is not set back by an older phase', () => {
    const { state } = applyEvents(rack, [
      event('boot-phase', 1, 1, { mac: 'x', phase: 'tftp', detail: 'ipxe.efi' }, 5),
      event('boot-phase', 1, 1, { mac: 'x', phase: 'dhcp', detail: '' }, 4),
    ]);
    expect(state.nodes.get(1)?.observed).toMatchObject({ phase: 'tftp', phase_detail: 'ipxe.efi' });
    expect(withSnapshot(state, rackSnapshot(3)).nodes.get(1)?.observed.phase).toBe('tftp');
  });

  it.each([
    ['a node it does not know', [event('boot-phase', 99, 1, { phase: 'dhcp' })]],
    ['a noderole it does not know in its deployment', [changed(999, 'TODO', 1)]],
    ['a node that changed', [event('node-changed', 1, 2, {})]],
    ['a commit', [event('deployment-committed', 7, 2, {})]],
    ['events that were missed', [{ type: 'reset', id: '2.1.0' } satisfies ApiEvent]],
  ])('asks for a new snapshot after %s', (_what, events) => {
    expect(applyEvents(rack, events).stale).toBe(true);
  });

  it('does not ask for one after a noderole of another deployment, or a kind it does not know', () => {
    const elsewhere = event('noderole-changed', 999, 1, { to: 'TODO', deployment_id: 8 });
    expect(applyEvents(rack, [elsewhere, event('run-started', 5, 1, {}), event('from-the-future', 5, 1, {})]).stale).toBe(false);
  });

  it('is not confused by a state that this version does not know', () => {
    expect(applyEvents(rack, [changed(1, 'DREAMING', 9)]).state.cells.get(1)?.state).toBe('TODO');
  });
});
