/** A rack as the API tells it, for the board's tests: every number follows from the node's index. */
import type { BoardNode, Snapshot } from '../../../../src/cli/board/model.js';
import type { Matrix, NodeRoleState } from '../../../../src/cli/answers.js';

export const ROLES = ['provisioner-os-install', 'base-packages', 'controller', 'worker', 'smoke-test'];

/** Where every node stands: phase, its detail, and the states of its noderoles in the order of ROLES ('-' is not bound). */
const STAGES: readonly (readonly [string, string, string])[] = [
  ['unseen', '', 'TBB-B'],
  ['dhcp', 'discover', 'TBB-B'],
  ['tftp', 'undionly.kpxe 64 kB', 'RBB-B'],
  ['kernel', 'vmlinuz', 'RBB-B'],
  ['agent', 'discovery', 'RBB-B'],
  ['installing', 'wiping /dev/sda', 'RBB-B'],
  ['installed', 'bootenv-local', 'RBB-B'],
  ['disk', 'debian-12', 'ATB-B'],
  ['disk', 'debian-12', 'ARB-B'],
  ['disk', 'debian-12', 'AEB-B'],
  ['disk', 'debian-12', 'AAARB'],
  ['disk', 'debian-12', 'AAAAA'],
];

const STATES: Record<string, NodeRoleState> = {
  P: 'PROPOSED',
  B: 'BLOCKED',
  T: 'TODO',
  R: 'TRANSITION',
  A: 'ACTIVE',
  E: 'ERROR',
};

export const START = Date.parse('2026-11-21T10:00:00.000Z');

export function rackNode(index: number): BoardNode {
  const [phase, detail] = STAGES[index % STAGES.length] ?? ['unseen', ''];
  const installed = phase === 'disk';
  const bootenv = phase === 'unseen' || phase === 'dhcp' ? 'discovery' : installed || phase === 'installed' ? 'local' : 'debian-12';
  return {
    id: index + 1,
    name: `rack-n${String(index + 1).padStart(3, '0')}`,
    kind: 'machine',
    alive: phase === 'agent' || installed,
    desired: { bootenv, generation: 3, reason: 'test' },
    served: { bootenv, generation: phase === 'unseen' ? 2 : 3, served: phase !== 'tftp' },
    observed: {
      bootenv: installed ? 'local' : 'discovery',
      boot_id: null,
      class: installed ? 'installed' : 'discovery',
      phase,
      phase_detail: detail,
      phase_at: new Date(START - index * 1000).toISOString(),
      address: null,
      heartbeat_at: null,
    },
  };
}

export function rackMatrix(nodes: number): Pick<Matrix, 'deployment' | 'roles' | 'cells'> {
  const cells: Matrix['cells'] = [];
  for (let index = 0; index < nodes; index += 1) {
    const states = STAGES[index % STAGES.length]?.[2] ?? '';
    Array.from(states).forEach((letter, role) => {
      const state = STATES[letter];
      if (state !== undefined)
        cells.push({
          id: index * 10 + role + 1,
          node_id: index + 1,
          role_id: role + 1,
          state,
          version: 5,
          run: null,
        });
    });
  }
  const counts = { PROPOSED: 0, BLOCKED: 0, TODO: 0, TRANSITION: 0, ACTIVE: 0, ERROR: 0 };
  const deployment: Matrix['deployment'] = {
    id: 7,
    name: 'demo',
    description: '',
    parent: { id: 1, name: 'system' },
    system: false,
    state: 'committed',
    committed_at: new Date(START).toISOString(),
    paused: false,
    revision: 1,
    counts,
    nodes,
  };
  return {
    deployment,
    roles: ROLES.map((name, index) => ({ id: index + 1, name, cohort: index })),
    cells,
  };
}

export function rackSnapshot(nodes: number): Snapshot {
  return {
    nodes: Array.from({ length: nodes }, (_, index) => rackNode(index)),
    matrix: rackMatrix(nodes),
  };
}
