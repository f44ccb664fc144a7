import { expect, it } from '@jest/globals';
import { lateRegistry } from '../../../src/bootenvs/late-registry.js';
import type { LiveRegistry } from '../../../src/bootenvs/live-registry.js';

it('lets who asks for a file wait until the bootenvs are read, and has none to give before', async () => {
  const steps: string[] = [];
  let read: ((registry: LiveRegistry) => void) | undefined;
  const late = lateRegistry(() => new Promise((resolve) => (read = resolve)));
  const asker = late.ready.then(() => steps.push(`answered from ${late.current().size}`));
  expect(() => late.current()).toThrow('bootenvs');
  const opening = late.open();
  steps.push('reading');
  read?.({ current: () => new Map(), refresh: async () => undefined, close: async () => void steps.push('closed') });
  await Promise.all([opening, asker]);
  await late.close();
  expect(steps).toEqual(['reading', 'answered from 0', 'closed']);
});

it('rejects as the reading does, so that the process ends, and closes what was never opened', async () => {
  const late = lateRegistry(() => Promise.reject(new Error('no catalog')));
  await expect(late.open()).rejects.toThrow('no catalog');
  await late.close();
});
