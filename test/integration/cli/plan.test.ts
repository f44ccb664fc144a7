import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as answer from './answers.js';
import { openBench, type Bench } from './invoke.js';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
beforeEach(() => {
  bench.api.requests.length = 0;
  bench.api.answers.set('POST /api/v2/deployments/demo/plan', { body: answer.plan });
});
afterAll(() => bench.close());
const commits = () => bench.api.requests.filter((request) => request.path.endsWith('/commit')).map((request) => request.body);
const harmless = { ...answer.plan, erases: [] };

describe('prybar plan', () => {
  it('says first, and unmistakably, whose disks are erased', async () => {
    const { stdout } = await bench.prybar(['plan', 'demo']);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('Plan of demo, revision 2');
    expect(lines[2]).toBe('!! 1 machine will be reinstalled: its disk is ERASED, and it reboots: rack-n001 (sda, 480 GB)');
    expect(stdout).toContain('base-packages, for all its nodes here: packages: [] -> ["nginx"]');
  });
});

describe('prybar deployments commit --plan', () => {
  it('commits the plan that was shown and no other, after a yes at the terminal', async () => {
    const questions: string[] = [];
    const ask = async (question: string) => (questions.push(question), 'y');
    const { exitCode, stderr } = await bench.prybar(['deployments', 'commit', 'demo', '--plan', '--comment', 'more'], { ask });
    expect({ exitCode, questions }).toEqual({ exitCode: 0, questions: ['Commit demo and ERASE the disks of 1 machine? [y/N] '] });
    expect(stderr).toContain('ERASED');
    expect(commits()).toEqual([{ comment: 'more', plan_hash: 'abc' }]);
  });

  it('does nothing after anything but a yes', async () => {
    const { exitCode, stderr } = await bench.prybar(['deployments', 'commit', 'demo', '--plan'], { ask: async () => '' });
    expect({ exitCode, commits: commits() }).toEqual({ exitCode: 1, commits: [] });
    expect(stderr).toContain('nothing was done');
  });

  it('without a terminal refuses when disks would be erased, commits otherwise, and believes --yes', async () => {
    expect((await bench.prybar(['deployments', 'commit', 'demo', '--plan'])).stderr).toContain('--plan --yes');
    expect(commits()).toEqual([]);
    expect((await bench.prybar(['deployments', 'commit', 'demo', '--plan', '--yes'])).exitCode).toBe(0);
    bench.api.answers.set('POST /api/v2/deployments/demo/plan', { body: harmless });
    expect((await bench.prybar(['deployments', 'commit', 'demo', '--plan'])).exitCode).toBe(0);
    expect(commits()).toEqual([{ plan_hash: 'abc' }, { plan_hash: 'abc' }]);
  });
});

describe('prybar ... redeploy', () => {
  it('is refused without a terminal and without --yes, and says what it would do', async () => {
    const { exitCode, stderr } = await bench.prybar(['nodes', 'redeploy', 'rack-n002']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('ERASE its disk');
    expect(stderr).toContain('prybar nodes redeploy rack-n002 --yes');
    expect(bench.api.requests).toEqual([]);
  });
});
