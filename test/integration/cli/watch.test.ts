import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runBoard, type BoardOptions } from '../../../src/cli/board/live.js';
import type { NodeRoleState } from '../../../src/cli/answers.js';
import { createClient } from '../../../src/client/client.js';
import * as answer from './answers.js';
import { openBench, type Bench } from './invoke.js';
import { TOKEN } from './stub-api.js';
import { waitFor } from '../../support/wait-for.js';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

/** The fleet as of now; every change is told by the matrix and by an event, as the real server does. */
function setStates(states: NodeRoleState[], version: number): void {
  bench.api.answers.set('GET /api/v2/deployments/demo/matrix', { body: answer.matrix(states, version) });
  states.forEach((to, index) => {
    bench.api.emit({
      kind: 'noderole-changed',
      subject_type: 'noderole',
      subject_id: 11 + index,
      version,
      at: new Date().toISOString(),
      data: { from: 'TRANSITION', to, node_id: index + 1, role_id: 4, deployment_id: 7 },
    });
  });
}

const snapshots = (): number => bench.api.requests.filter(({ path }) => path.endsWith('/matrix')).length;

describe('watching a deployment', () => {
  it('ends with 0 when all is ACTIVE', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    const watching = bench.prybar(['deployments', 'watch', 'demo']);
    await waitFor(() => snapshots() > 0, { what: 'the first snapshot' });
    setStates(['ACTIVE', 'ACTIVE'], 6);
    const { exitCode, stdout, stderr } = await watching;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^demo is ACTIVE: 2 noderoles after \d+ s\n$/);
    expect(stderr).toContain('demo: 1/2 active, 1 running');
  });

  it('ends with 1 when nothing can move and something is in ERROR, and says why', async () => {
    setStates(['ACTIVE', 'ERROR'], 5);
    const { exitCode, stdout, stderr } = await bench.prybar(['deployments', 'commit', 'demo', '--watch']);
    expect(exitCode).toBe(1);
    expect(stdout).toBe('demo committed, revision 1: 2 noderoles\n');
    expect(stderr).toContain('error: demo ended in ERROR\n  base-packages@rack-n002 is ERROR: its last run failed: the script ended with exit status 3');
  });

  it('prints the events and then the deployment with --json, and the reasons as a problem', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    const watching = bench.prybar(['deployments', 'watch', 'demo', '--json']);
    await waitFor(() => bench.api.streams() > 0, { what: 'the stream to open' });
    setStates(['ACTIVE', 'ERROR'], 6);
    const { exitCode, stdout, stderr } = await watching;
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(exitCode).toBe(1);
    expect(lines.at(0)).toMatchObject({ kind: 'noderole-changed', subject_id: 11, version: 6 });
    expect(lines.at(-1)).toEqual(answer.deployment);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'ended-in-error', reasons: [expect.stringContaining('base-packages@rack-n002 is ERROR')] });
  });

  it('gives up after the timeout with what is not ACTIVE', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    bench.api.answers.set('GET /api/v2/node_roles/12/why', {
      body: { ...answer.why, noderole: { ...answer.why.noderole, state: 'TRANSITION' }, answer: 'run 31 is running', unblock: '' },
    });
    const { exitCode, stderr } = await bench.prybar(['deployments', 'watch', 'demo', '--timeout', '1']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('error: demo is not ACTIVE yet');
    expect(stderr).toContain('base-packages@rack-n002 is TRANSITION: run 31 is running');
  });

  it('does not wait for what was never committed', async () => {
    bench.api.answers.set('GET /api/v2/deployments/demo', { body: { ...answer.deployment, committed_at: null } });
    const { exitCode, stderr } = await bench.prybar(['deployments', 'watch', 'demo']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('next: prybar deployments commit demo --watch');
  });

  it('draws in place on a terminal and gives the cursor back', async () => {
    setStates(['ACTIVE', 'ACTIVE'], 5);
    const { stdout } = await bench.prybar(['deployments', 'watch', 'demo'], { tty: { columns: 80, rows: 24 } });
    expect(stdout.startsWith('\u001b[?25l')).toBe(true);
    expect(stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\u001b[?25l'));
    expect(stdout).toContain('base-packages');
  });

  it('ends with 130 on Ctrl-C', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    const stop = new AbortController();
    const watching = bench.prybar(['deployments', 'watch', 'demo'], { signal: stop.signal });
    await waitFor(() => snapshots() > 0, { what: 'the first snapshot' });
    stop.abort();
    expect((await watching).exitCode).toBe(130);
  });
});

describe('events', () => {
  it('are printed one JSON document a line, with the cursor to go on after', async () => {
    const stop = new AbortController();
    const following = bench.prybar(['events', '--follow', '--json'], { signal: stop.signal, onOutput: () => stop.abort() });
    await waitFor(() => bench.api.streams() > 0, { what: 'the stream to open' });
    setStates(['ACTIVE', 'ERROR'], 6);
    const { exitCode, stdout } = await following;
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout.split('\n')[0] ?? '')).toMatchObject({ id: expect.any(String), kind: 'noderole-changed', data: { to: 'ACTIVE' } });
  });
});

describe('the live board', () => {
  function board(change: Partial<BoardOptions>): { ended: ReturnType<typeof runBoard>; text: () => string } {
    let text = '';
    const ended = runBoard({
      client: createClient({ baseUrl: bench.api.url, token: TOKEN }),
      home: bench.home,
      url: bench.api.url,
      tokenFile: `${bench.home}/admin-token`,
      signal: new AbortController().signal,
      out: { write: (part) => void (text += part) },
      untilActive: true,
      deploymentName: 'demo',
      expectNodes: 2,
      env: { LANG: 'C.UTF-8' },
      ...change,
    });
    return { ended, text: () => text };
  }

  it('tells nodes that become ACTIVE, and ends with a summary when all are', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    const { ended, text } = board({});
    await waitFor(() => text().includes('rack-n001 ACTIVE'), { what: 'rack-n001 ACTIVE' });
    setStates(['ACTIVE', 'ACTIVE'], 6);
    const { outcome, summary, reasons } = await ended;
    expect({ outcome, reasons }).toEqual({ outcome: 'active', reasons: [] });
    expect(summary[0]).toBe('demo: 2 nodes, 2 of them all ACTIVE; 2 of 2 noderoles ACTIVE');
    expect(summary[1]).toMatch(/seconds\), \d+ transitions?, [\d.]+ transitions per second$/);
    expect(text()).toContain('rack-n002 ACTIVE (1 noderole)');
  });

  it('waits for a deployment that does not exist yet, and for every node expected', async () => {
    const matrix = bench.api.answers.get('GET /api/v2/deployments/demo/matrix');
    bench.api.answers.delete('GET /api/v2/deployments/demo/matrix');
    const { ended, text } = board({ expectNodes: 2 });
    await waitFor(() => text().includes('deployment demo is not there yet'), { what: 'deployment demo is not there yet' });
    if (matrix !== undefined) bench.api.answers.set('GET /api/v2/deployments/demo/matrix', matrix);
    expect((await ended).outcome).toBe('active');
  });

  it('ends with the reasons when something is in ERROR and nothing can move', async () => {
    setStates(['ACTIVE', 'ERROR'], 5);
    const { ended, text } = board({});
    const { outcome, reasons } = await ended;
    expect(outcome).toBe('error');
    expect(reasons).toEqual([expect.stringContaining('base-packages@rack-n002 is ERROR: its last run failed')]);
    expect(text()).toContain('rack-n002 ERROR: base-packages@rack-n002: the script ended with exit status 3 (exit-status)');
  });

  it('gives up after its timeout and says what is missing', async () => {
    const { ended } = board({ expectNodes: 5, timeoutSeconds: 1 });
    const { outcome, reasons } = await ended;
    expect(outcome).toBe('error');
    expect(reasons).toEqual([expect.stringContaining('not all ACTIVE after'), '2 of 5 expected nodes have noderoles in demo; look: prybar nodes list']);
  });

  it('outlives a server that is away, and says so', async () => {
    const status = bench.api.answers.get('GET /api/v2/status');
    bench.api.answers.set('GET /api/v2/status', {
      status: 503,
      body: { type: 'about:blank', title: 'x', status: 503, detail: 'the database does not answer', code: 'unavailable' },
    });
    const { ended, text } = board({});
    await waitFor(() => text().includes('the database does not answer'), { what: 'the database does not answer' });
    if (status !== undefined) bench.api.answers.set('GET /api/v2/status', status);
    expect((await ended).outcome).toBe('active');
  });

  it('stops at once when told to, with the terminal as it was', async () => {
    setStates(['ACTIVE', 'TRANSITION'], 5);
    const stop = new AbortController();
    let text = '';
    const out = { write: (part: string) => void (text += part), isTTY: true, columns: 100, rows: 30 };
    const { ended } = board({ signal: stop.signal, untilActive: false, out, plain: false });
    await waitFor(() => text.includes('rack-n002'), { what: 'rack-n002' });
    stop.abort();
    expect((await ended).outcome).toBe('stopped');
    expect(text.startsWith('\u001b[?1049h\u001b[?25l')).toBe(true);
    expect(text).toContain('\u001b[?25h\u001b[?1049l');
    // The last picture stays on the screen that comes back.
    expect(text.slice(text.indexOf('\u001b[?1049l'))).toContain('rack-n002');
  });

  it('fails at once when the token is refused: waiting would not help', async () => {
    const { ended } = board({ client: createClient({ baseUrl: bench.api.url, token: 'wrong' }) });
    await expect(ended).rejects.toMatchObject({ status: 401 });
  });
});
