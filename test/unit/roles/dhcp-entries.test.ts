import { describe, expect, it } from '@jest/globals';
import { planEntries, type NodeNic, type StoredEntry } from '../../../src/roles/builtin/dhcp-entries.js';

const nic = (more: Partial<NodeNic> = {}): NodeNic => ({
  nodeId: 1,
  name: 'web1.example.net',
  bootenv: 'debian-12',
  desiredGen: 4,
  mac: 'aa:00:00:00:00:01',
  options: '{}',
  ...more,
});
const stored = (more: Partial<StoredEntry> = {}): StoredEntry => ({
  mac: 'aa:00:00:00:00:01',
  nodeId: 1,
  hostname: 'web1',
  bootenv: 'debian-12',
  bootLocal: false,
  appliedGen: 4,
  options: '{}',
  deleted: false,
  ...more,
});

describe('planEntries', () => {
  it('leaves a row alone that is right already', () => expect(planEntries([nic()], [stored()])).toEqual({ write: [], withdraw: [] }));

  it.each<[string, Partial<StoredEntry>]>([
    ['carries an older generation', { appliedGen: 3 }],
    ['boots something else', { bootenv: 'discovery' }],
    ['has another name', { hostname: 'd-aa' }],
    ['belongs to another node', { nodeId: 2 }],
    ['has other options', { options: '{"root-path": "/a"}' }],
    ['was withdrawn', { deleted: true }],
  ])('writes a row that %s', (_case, difference) => expect(planEntries([nic()], [stored(difference)]).write).toHaveLength(1));

  it('marks a node that shall boot from disk', () =>
    expect(planEntries([nic({ bootenv: 'local' })], []).write[0]).toMatchObject({ bootLocal: true, hostname: 'web1' }));

  it('withdraws rows of NICs that are gone, once', () => {
    expect(planEntries([], [stored()]).withdraw).toEqual(['aa:00:00:00:00:01']);
    expect(planEntries([], [stored({ deleted: true })]).withdraw).toEqual([]);
  });
});
