import { describe, expect, it } from '@jest/globals';
import { formatRoute, parseRoute } from '../../../../src/web/store/route.js';
import { standingOf, type SiteServerView } from '../../../../src/web/store/site-servers.js';
import { transferFill, transferWords } from '../../../../src/web/store/transfers.js';

describe('a transfer', () => {
  const view = (bytes: number, size: number, state = 'running', reason = '') => ({ bytes, size_bytes: size, state, reason });

  it.each([
    [view(0, 70_000), { percent: 0, words: '0 B of 70 kB' }],
    [view(28_000, 70_000), { percent: 40, words: '28 kB of 70 kB' }],
    [view(70_000, 70_000), { percent: 100, words: '70 kB' }],
    [view(0, 0), { percent: 100, words: '0 B' }],
    [view(90, 70), { percent: 100, words: '70 B' }],
  ])('%j is so full', (transfer, fill) => expect(transferFill(transfer)).toEqual(fill));

  it('says why it ended', () => {
    expect(transferWords(view(1, 2, 'timeout', 'no answer to block 3'))).toBe('the machine fell silent: no answer to block 3');
    expect(transferWords(view(2, 2, 'done'))).toBe('done');
  });
});

describe('a server of the site', () => {
  const server = (more: Partial<SiteServerView> = {}): SiteServerView => ({
    ...{ driven: true, served_revision: 5, revision: 5, problem: null, host: 'head', served_at: null },
    ...more,
  });

  it.each<[string, Partial<SiteServerView>, string, string, string | null]>([
    ['serves what it shall', {}, 'good', 'served', null],
    ['has a change to come', { served_revision: 4 }, 'warn', 'behind', 'it serves revision 4 of 5: machines wait for it before they are booted'],
    ['cannot be written', { problem: 'disk full', driven: false }, 'bad', 'not served', 'disk full'],
    ['is left alone but up to date', { driven: false }, 'warn', 'not driven', 'no Prybar on head looks after it: it answers from what it was told last'],
    [
      'is left alone and behind',
      { driven: false, served_revision: 1 },
      'bad',
      'not served',
      'no Prybar on head looks after it: it answers from what it was told last',
    ],
  ])('that %s', (_, more, tone, word, why) => expect(standingOf(server(more))).toEqual({ tone, word, why }));
});

describe('the page of boot services', () => {
  it('has an address of its own, with a node beside it', () => {
    const route = parseRoute('#/boot?node=7');
    expect(route).toEqual({ page: 'boot', deployment: '', panel: { kind: 'node', id: 7 } });
    expect(formatRoute(route)).toBe('#/boot?node=7');
  });
});
