import { expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait-for.js';

it('returns the first truthy answer', async () => {
  let looks = 0;
  expect(await waitFor(() => (++looks === 3 ? 'there' : undefined), { what: 'it', everyMs: 1 })).toBe('there');
});

it('says what was awaited and what was seen last', async () => {
  await expect(waitFor(() => false, { what: 'the moon', timeoutMs: 5, everyMs: 1 })).rejects.toThrow('waited 5 ms for the moon; last seen: false');
});
