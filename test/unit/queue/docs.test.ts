import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { annealDeduplication, annealJob, jobClasses, queueNames, runJob, runJobId, runQueue, sweepJob } from '../../../src/queue/jobs.js';

/** Rows of the table in docs/queue.md: the queue's name -> its cells. */
const rows = new Map(
  readFileSync('docs/queue.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, name = '', ...cells]) => [name.replaceAll('`', ''), cells]),
);
const fieldsOf = (shape: { shape: object }) => {
  const names = Object.keys(shape.shape);
  return names.length === 0 ? '`{}`' : `\`{ ${names.join(', ')} }\``;
};

describe('docs/queue.md', () => {
  it('names every queue there is and no other', () => {
    expect([...rows.keys()]).toEqual(queueNames);
  });
  it('tells what each job carries', () => {
    expect(rows.get('anneal')?.[0]).toBe(fieldsOf(annealJob));
    expect(rows.get('sweep')?.[0]).toBe(fieldsOf(sweepJob));
    for (const jobClass of jobClasses) expect(rows.get(runQueue(jobClass))?.[0]).toBe(fieldsOf(runJob));
  });
  it('tells how ids are made, and what is deduplicated', () => {
    const example = runJobId({ runId: 1, dispatch: 2, fence: 3 });
    expect(rows.get('runs-fast')?.[1]).toBe(`\`${example.replace('1', '<runId>').replace('2', '<dispatch>')}\``);
    expect(rows.get('anneal')?.[1]).toContain(`\`${annealDeduplication.id}\``);
  });
});
