import { describe, expect, it } from '@jest/globals';
import { decideBootenv, MAX_INSTALL_BOOTS, type Catalog, type InstallState } from '../../../src/bootenvs/decide.js';

const CATALOG: Catalog = new Map([
  ['local', { kind: 'local', available: true }],
  ['discovery', { kind: 'discovery', available: true }],
  ['maintenance', { kind: 'maintenance', available: true }],
  ['debian-12', { kind: 'installer', available: true }],
  ['rocky-9', { kind: 'installer', available: false }],
]);
const install = (status: InstallState['status'], more: Partial<InstallState> = {}): InstallState => ({
  id: 7,
  bootenv: 'debian-12',
  status,
  fetches: 0,
  ...more,
});
const wish = (bootenv: string, deleting = false) => ({ nodeId: 1, bootenv, deleting });

describe('which bootenv a machine gets', () => {
  it('discovers a machine that nobody knows', () => {
    expect(decideBootenv(null, null, CATALOG)).toMatchObject({ bootenv: 'discovery', alarm: null });
  });

  it.each(['local', 'discovery', 'maintenance'])('gives %s when that is wished, whatever its install says', (bootenv) => {
    for (const status of ['armed', 'fetched', 'wiping', 'completed', 'unknown', 'abandoned'] as const) {
      expect(decideBootenv(wish(bootenv), install(status), CATALOG)).toMatchObject({ bootenv, installId: null, alarm: null });
    }
  });

  it.each([
    ['armed', 'debian-12', null],
    ['fetched', 'debian-12', null],
    ['wiping', 'maintenance', 'netboot-while-installing'],
    ['unknown', 'maintenance', 'netboot-while-installing'],
    ['completed', 'local', 'netboot-after-install'],
    ['abandoned', 'maintenance', 'install-not-armed'],
  ] as const)('gives an install that is %s: %s', (status, bootenv, alarm) => {
    const decision = decideBootenv(wish('debian-12'), install(status), CATALOG);
    expect([decision.bootenv, decision.alarm?.code ?? null]).toEqual([bootenv, alarm]);
    expect(decision.installId).toBe(bootenv === 'debian-12' ? 7 : null);
  });

  it('netboot rule 22: offers an installer at most three times before the disk is claimed', () => {
    for (let fetches = 0; fetches < MAX_INSTALL_BOOTS; fetches += 1) {
      expect(decideBootenv(wish('debian-12'), install('fetched', { fetches }), CATALOG).bootenv).toBe('debian-12');
    }
    expect(decideBootenv(wish('debian-12'), install('fetched', { fetches: MAX_INSTALL_BOOTS }), CATALOG)).toMatchObject({
      bootenv: 'maintenance',
      alarm: { code: 'install-offers-used-up' },
    });
  });

  it.each([
    ['without an install', null],
    ['with the install of another system', install('armed', { bootenv: 'rocky-9' })],
  ])('race 13: never gives an installer %s', (_when, state) => {
    expect(decideBootenv(wish('debian-12'), state, CATALOG)).toMatchObject({ bootenv: 'maintenance', alarm: { code: 'install-not-armed' } });
  });

  it('parks a node whose installer cannot be served, or is unknown', () => {
    expect(decideBootenv(wish('rocky-9'), install('armed', { bootenv: 'rocky-9' }), CATALOG)).toMatchObject({
      bootenv: 'maintenance',
      alarm: { code: 'bootenv-unavailable' },
    });
    expect(decideBootenv(wish('plan-9'), null, CATALOG)).toMatchObject({ bootenv: 'maintenance', alarm: { code: 'unknown-bootenv' } });
  });

  it('boots the disk of a node that is being deleted', () => {
    expect(decideBootenv(wish('debian-12', true), install('armed'), CATALOG)).toMatchObject({ bootenv: 'local', installId: null });
  });

  it('says so when what it decided cannot be served', () => {
    expect(decideBootenv(null, null, new Map())).toMatchObject({ bootenv: 'discovery', unavailable: true });
  });
});
