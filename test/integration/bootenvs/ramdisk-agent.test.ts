/** The agent of the ramdisk, run for real under busybox against a small server that speaks as the node router does. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { machineFactsSchema } from '../../../src/nodes/machine-facts.js';
import { openAgentDoor, type AgentDoor } from '../../support/agent-door.js';
import { waitFor } from '../../support/wait-for.js';

const HERE = path.join(process.cwd(), 'src', 'bootenvs', 'ramdisk');
let busybox: string;
beforeAll(async () => {
  busybox = (await ensureTools(['busybox'])).busybox.path;
}, 60_000);

describe('json.awk', () => {
  const parse = (json: unknown) =>
    execFileSync(busybox, ['awk', '-f', path.join(HERE, 'json.awk')], { input: typeof json === 'string' ? json : JSON.stringify(json) }).toString();
  const valueOf = (json: unknown, name: string) => execFileSync(busybox, ['sh', '-c', `${parse(json)}\nprintf %s "$${name}"`]).toString();

  it.each(["it's", 'a\nb\n', '$(reboot) `id` \\ " é 😀', "'; reboot; '", '\t tab', ''])('gives the shell %j as it is', (text) => {
    expect(valueOf({ script: text }, 'PB_script')).toBe(text);
  });

  it('reads what lies deeper, numbers and null, and leaves lists out', () => {
    const offer = { node: { id: 7 }, lease_seconds: 2.5, none: null, list: [1, { a: 'x' }, ['y']], ok: true };
    expect(parse(offer)).toBe("PB_node_id='7'\nPB_lease_seconds='2.5'\nPB_none=''\nPB_ok='true'\n");
  });

  it('makes no variable of a key that is no word', () => {
    expect(parse({ 'a;reboot': 'x', env: { 'A B': 'y', PATH_X: 'z' } })).toBe('PB_env_PATH_X=\'z\'\nPB_ENV="$PB_ENV PATH_X"\n');
  });

  it.each(['', '[]', '{"a":', '{"a" "b"}', '{"a":"x', '<html>'])('refuses %j', (text) => {
    expect(() => execFileSync(busybox, ['awk', '-f', path.join(HERE, 'json.awk')], { input: text, stdio: ['pipe', 'ignore', 'ignore'] })).toThrow();
  });
});

describe('the agent of the ramdisk', () => {
  let directory: string;
  let door: AgentDoor;
  let agent: ChildProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-ramdisk-'));
    await mkdir(path.join(directory, 'bin'));
    execFileSync(busybox, ['--install', '-s', path.join(directory, 'bin')]);
    door = await openAgentDoor({ path: '/node/facts', name: "n'1" }, 3);
  });

  afterEach(async () => {
    // The whole group: the heartbeat and the wget of the moment are the agent's children.
    if (agent?.pid !== undefined) process.kill(-agent.pid, 'SIGKILL');
    door.close();
    await rm(directory, { recursive: true, force: true });
  });

  function start(): void {
    agent = spawn(busybox, ['sh', path.join(HERE, 'prybar-agent')], {
      detached: true,
      stdio: 'ignore',
      env: {
        PATH: path.join(directory, 'bin'),
        PRYBAR_HERE: HERE,
        PRYBAR_RUN: path.join(directory, 'run'),
        PRYBAR_URL: door.url,
        PRYBAR_TOKEN: 'boot-token',
        PRYBAR_CLASS: 'discovery',
        PRYBAR_RETRY_SECONDS: '1',
        PRYBAR_REBOOT: `echo reboot >> ${path.join(directory, 'rebooted')}; true`,
        PRYBAR_AGENT_KILL_GRACE: '1',
      },
    });
  }

  const script = (text: string, more: Record<string, unknown> = {}) => ({
    kind: 'script',
    run_id: 9,
    fence: 2,
    script: text,
    env: { GREETING: "he'llo" },
    timeout_seconds: 30,
    lease_seconds: 3,
    ...more,
  });
  const callsTo = (end: string) => door.seen.filter((call) => call.path.endsWith(end));
  const isAlive = (pid: number) => {
    try {
      // One that has ended and that nobody has buried is no life.
      return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };

  it('posts facts that the server takes with the boot token, then works with the agent token', async () => {
    start();
    await waitFor(() => callsTo('/heartbeat').length > 0 && callsTo('/work').length > 0, { what: 'a heartbeat and a poll' });
    const facts = callsTo('/node/facts')[0];
    expect(facts?.token).toBe('boot-token');
    expect(machineFactsSchema.safeParse({ ...facts?.body, nics: [{ name: 'eth0', mac: '52:54:00:00:00:01' }] }).error).toBeUndefined();
    expect(callsTo('/heartbeat')[0]?.token).toBe('agent');
    expect(callsTo('/work')[0]?.body['boot_id']).toBe(facts?.body['boot_id']);
  });

  it('runs a script, sends its log and reports its status and wall', async () => {
    door.offers.push(script('echo "$GREETING"; printf \'a\\tb "c" \\\\d\\n\' >&2; echo \'{"a":1}\' > "$PRYBAR_WALL"; exit 3'));
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result' });
    expect(callsTo('/result')[0]).toMatchObject({ path: '/node/7/runs/9/result', body: { fence: 2, exit_status: 3, wall: { a: 1 } } });
    const log = callsTo('/log').map((call) => call.body['text']);
    expect(log.join('')).toBe('he\'llo\na\tb "c" \\d\n');
  });

  it('rule 1: leaves nothing of a script on the machine, and kills what outlives its time', async () => {
    const pids = path.join(directory, 'pids');
    door.offers.push(script(`trap '' TERM; setsid sleep 300 & echo $! > ${pids}; sleep 300`, { timeout_seconds: 1 }));
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result', timeoutMs: 20_000 });
    expect(callsTo('/result')[0]?.body['exit_status']).not.toBe(0);
    expect(isAlive(Number(await readFile(pids, 'utf8')))).toBe(false);
  }, 30_000);

  it('rule 1: kills what lost its lease, and reports nothing for it', async () => {
    door.renewStatus = 409;
    door.offers.push(script('sleep 300'));
    start();
    await waitFor(() => callsTo('/work').length > 1, { what: 'the next poll', timeoutMs: 20_000 });
    expect(callsTo('/result')).toEqual([]);
  }, 30_000);

  it('cuts a log at its limit and says so', async () => {
    door.offers.push(script('yes 0123456789 | head -c 40000; echo end', { log_limit_bytes: 20_000 }));
    start();
    await waitFor(() => callsTo('/result').length > 0, { what: 'a result', timeoutMs: 20_000 });
    const log = callsTo('/log')
      .map((call) => call.body['text'] as string)
      .join('');
    expect(log).toContain('the log is longer than its limit of 20000 bytes');
    expect(log.length).toBeLessThan(40_000);
  }, 30_000);
});

describe('boot words', () => {
  it('netboot rule 13: takes the boot NIC, the token and the class from the kernel line', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-words-'));
    const line = path.join(directory, 'cmdline');
    await writeFile(
      line,
      'quiet * prybar.url=http://192.0.2.1:8191 BOOTIF=01-52-54-00-AB-00-01 prybar.token=t-_1 prybar.class=maintenance prybar.bootenv=maintenance\n',
    );
    const said = execFileSync(busybox, [
      'sh',
      '-c',
      `. ${HERE}/boot-words.sh; read_boot_words ${line}; echo $BOOT_MAC $PRYBAR_URL $PRYBAR_TOKEN $PRYBAR_CLASS`,
    ]);
    await rm(directory, { recursive: true });
    expect(said.toString()).toBe('52:54:00:ab:00:01 http://192.0.2.1:8191 t-_1 maintenance\n');
  });
});
