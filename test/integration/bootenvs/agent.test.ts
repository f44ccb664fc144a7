/** The agent that installers put on a machine, run for real against a small server that speaks as the node router does. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openAgentDoor, type AgentDoor } from '../../support/agent-door.js';
import { waitFor } from '../../support/wait-for.js';

const AGENT = path.join(process.cwd(), 'src', 'bootenvs', 'agent', 'prybar-agent');
const hasPython = spawnSync('python3', ['--version']).status === 0;

const leaveOut = (_name: string, _tests: () => void): void => undefined;

if (!hasPython) {
  it('is left out where there is no python3', () => {
    process.stderr.write('left out: the agent of installed systems needs python3\n');
    expect(hasPython).toBe(false);
  });
}

(hasPython ? describe : leaveOut)('the agent of an installed system', () => {
  let directory: string;
  let door: AgentDoor;
  let agent: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-agent-'));
    door = await openAgentDoor({ path: '/boot', name: 'n' }, 2);
    await writeFile(
      path.join(directory, 'agent.json'),
      JSON.stringify({ install_id: 5, node: { id: 7, name: 'n' }, disk_token: 'disk', agent: { url: door.url, heartbeat_seconds: 1 } }),
    );
  });

  afterEach(async () => {
    agent?.kill('SIGKILL');
    door.close();
    await rm(directory, { recursive: true, force: true });
  });

  function start(): void {
    agent = spawn('python3', ['-B', AGENT], {
      env: {
        ...process.env,
        PRYBAR_AGENT_CONFIG: path.join(directory, 'agent.json'),
        PRYBAR_AGENT_STATE: path.join(directory, 'state'),
        PRYBAR_AGENT_KILL_GRACE: '1',
      },
      stdio: 'ignore',
    });
  }

  const script = (text: string, more: Record<string, unknown> = {}) => ({
    kind: 'script',
    run_id: 9,
    fence: 2,
    script: text,
    env: { GREETING: 'hello' },
    timeout_seconds: 30,
    lease_seconds: 2,
    ...more,
  });
  const callsTo = (end: string) => door.seen.filter((call) => call.path.endsWith(end));

  it('reports its boot with the disk token, then works with the agent token', async () => {
    start();
    await waitFor(() => callsTo('/heartbeat').length > 0 && callsTo('/work').length > 0, { what: 'a heartbeat and a poll' });
    expect(callsTo('/boot')[0]).toMatchObject({ path: '/node/7/boot', token: 'disk', body: { class: 'installed', install_id: 5 } });
    expect(callsTo('/heartbeat')[0]?.token).toBe('agent');
    expect(callsTo('/work')[0]?.body['boot_id']).toBe(callsTo('/boot')[0]?.body['boot_id']);
  });

  it('runs a script, sends its log and reports its status and wall', async () => {
    door.offers.push(script('echo "$GREETING"; echo problem >&2; echo \'{"a":1}\' > "$PRYBAR_WALL"; exit 3'));
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result' });
    expect(callsTo('/result')[0]).toMatchObject({ path: '/node/7/runs/9/result', body: { fence: 2, exit_status: 3, wall: { a: 1 } } });
    expect(
      callsTo('/log')
        .map((call) => call.body['text'])
        .join(''),
    ).toBe('hello\nproblem\n');
  });

  it('kills what outlives its time, with all it started', async () => {
    door.offers.push(script('sleep 300 & sleep 300', { timeout_seconds: 1 }));
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result' });
    expect(callsTo('/result')[0]?.body['exit_status']).toBe(-15);
  });

  it('kills what lost its lease, and reports nothing for it', async () => {
    door.renewStatus = 409;
    door.offers.push(script("trap '' TERM; sleep 300"));
    start();
    await waitFor(() => callsTo('/renew').length > 0, { what: 'a renewal' });
    await waitFor(() => callsTo('/work').length > 1, { what: 'the next poll', timeoutMs: 20_000 });
    expect(callsTo('/result')).toEqual([]);
  }, 30_000);

  const pidsIn = async (name: string) => (await readFile(path.join(directory, name), 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number);
  const lives = (pid: number) => {
    try {
      // One that has ended and that nobody has buried is no life.
      return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  const logOf = () =>
    callsTo('/log')
      .map((call) => call.body['text'] as string)
      .join('');

  it('rule 1: leaves nothing of a script on the machine: background children, daemons, what ignores SIGTERM', async () => {
    const pids = path.join(directory, 'pids');
    const daemon = `python3 -c "
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork(): sys.exit()
os.setsid()
if os.fork(): sys.exit()
for fd in (0, 1, 2): os.close(fd)
open('${pids}', 'a').write('%d\\n' % os.getpid())
time.sleep(300)
"`;
    door.offers.push(
      script(
        `sleep 300 & echo $! >> ${pids}; setsid sleep 300 & echo $! >> ${pids}; ${daemon}; while [ $(wc -l < ${pids}) -lt 3 ]; do sleep 0.05; done; exit 4`,
      ),
    );
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result', timeoutMs: 20_000 });
    expect(callsTo('/result')[0]?.body['exit_status']).toBe(4);
    const started = await pidsIn('pids');
    expect(started).toHaveLength(3);
    expect(started.filter(lives)).toEqual([]);
  }, 30_000);

  it('rule 1: kills what an agent before it has left running, before it asks for work', async () => {
    const pids = path.join(directory, 'pids');
    door.offers.push(script(`setsid sleep 300 & echo $! > ${pids}; wait`, { lease_seconds: 30 }));
    start();
    const left = await waitFor(async () => (await pidsIn('pids'))[0], { what: 'the script' });
    agent?.kill('SIGKILL');
    await once(agent!, 'exit');
    expect(lives(left)).toBe(true);
    const before = callsTo('/boot').length;
    start();
    await waitFor(() => callsTo('/boot').length > before, { what: 'the next agent' });
    expect(lives(left)).toBe(false);
  }, 30_000);

  it('rule 17: hears of a cancel while its renewal waits, and asks for more only when nothing is left', async () => {
    let stop = () => {};
    door.renewHeld = new Promise((resolve) => (stop = resolve));
    const pids = path.join(directory, 'pids');
    door.offers.push(script(`trap '' TERM; echo $$ > ${pids}; sleep 300`, { lease_seconds: 30 }));
    start();
    const pid = await waitFor(async () => (callsTo('/renew').length > 0 ? (await pidsIn('pids'))[0] : undefined), { what: 'the script' });
    expect(callsTo('/renew')[0]?.body['wait_seconds']).toBe(10);
    const polls = callsTo('/work').length;
    const at = performance.now();
    stop();
    await waitFor(() => callsTo('/work').length > polls, { what: 'the next poll' });
    expect(lives(pid)).toBe(false);
    // The grace that SIGTERM is given is a second of it.
    expect(performance.now() - at).toBeLessThan(3500);
    expect(callsTo('/result')).toEqual([]);
  }, 30_000);

  it('keeps the beginning and the end of 100 MB of log, says how much it left out, and holds none of it', async () => {
    door.offers.push(
      script(`echo first; head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo last`, {
        log_limit_bytes: 100_000,
        lease_seconds: 30,
        timeout_seconds: 60,
      }),
    );
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result', timeoutMs: 60_000 });
    const log = logOf();
    expect(log.startsWith('first\nxxx')).toBe(true);
    expect(log.endsWith('xlast\n')).toBe(true);
    expect(log.length).toBeLessThan(300_000);
    const left = Number(/\[prybar: (\d+) bytes of the log are left out here: its limit is 100000 bytes\]/.exec(log)?.[1]);
    const mark = log.match(/\n\[prybar: .*\]\n/)?.[0].length ?? 0;
    // 100,000,000 bytes, a line end after every 99 of them but the last, and the first and the last line.
    expect(left + log.length - mark).toBe(100_000_000 + Math.floor(99_999_999 / 99) + 'first\nlast\n'.length);
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${agent?.pid}/status`, 'utf8'))?.[1]);
    expect(peak).toBeLessThan(64_000);
  }, 70_000);

  it('refuses a fence it has seen', async () => {
    door.offers.push(script('echo one'), script('echo two'));
    start();
    await waitFor(() => callsTo('/work').length > 2, { what: 'a third poll' });
    expect(callsTo('/result')).toHaveLength(1);
  });
});
