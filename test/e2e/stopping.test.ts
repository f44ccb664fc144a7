/** Ctrl-C, SIGTERM and a closed terminal stop everything that was started, at any moment; the next start goes on. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/wait-for.js';
import { Installation, type Running } from './support/installation.js';

const ETX = '\x03'; // what a terminal sends for Ctrl-C
const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

describe('npm start', () => {
  let installation: Installation;
  beforeEach(async () => {
    installation = await Installation.create();
  });
  afterEach(async () => installation.close());

  /** In a terminal of its own. */
  function inTerminal(command: string[]): Running {
    return installation.startCommand([
      'script',
      '--quiet',
      '--return',
      '--flush',
      '--command',
      `stty rows 40 cols 120; exec ${command.map(quote).join(' ')}`,
      '/dev/null',
    ]);
  }

  async function untilInstalling(): Promise<void> {
    await waitFor(() => installation.log('rack').includes('base system'), { what: 'a machine to write its disk', timeoutMs: 90_000 });
  }

  async function expectNothingLeft(): Promise<void> {
    await waitFor(() => installation.processes().length === 0, { what: 'no process of ours to be left', timeoutMs: 2_000 }).catch(() => undefined);
    expect(installation.processes()).toEqual([]);
  }

  async function expectToResume(): Promise<void> {
    const run = installation.start(['--rack', '3', '--until-active', '--plain']);
    expect(await run.ended(120_000)).toEqual({ status: 0, signal: null });
    expect(run.output()).toMatch(/9 of 9 noderoles ACTIVE/);
  }

  it.each([
    // npm ends as its shell does, by the signal, whatever the status of what it ran.
    ['the picture, under npm', ['npm', 'start', '--', '--rack', '3'], 130],
    ['lines', [process.execPath, 'scripts/start.mjs', '--rack', '3', '--plain'], 0],
  ])('stops cleanly on Ctrl-C in a terminal that shows %s, and resumes', async (_, command, status) => {
    const run = inTerminal(command);
    await untilInstalling();
    run.child.stdin?.write(ETX);
    expect((await run.ended(20_000)).status).toBe(status);
    expect(run.output()).toMatch(/stopping/);
    expect(run.output()).not.toMatch(/^\s+at .*\.js:\d+/m);
    await expectNothingLeft();
    await expectToResume();
  });

  it('stops cleanly on SIGTERM, and resumes', async () => {
    const run = installation.start(['--rack', '3', '--plain']);
    await untilInstalling();
    process.kill(run.pid, 'SIGTERM');
    expect(await run.ended(20_000)).toEqual({ status: 0, signal: null });
    await expectNothingLeft();
    await expectToResume();
  });

  it('ends with status 1 when it is stopped before the --until-active it was asked for', async () => {
    const run = installation.start(['--rack', '3', '--until-active', '--plain']);
    await run.said(/nodes alive/, 90_000);
    process.kill(run.pid, 'SIGINT');
    expect(await run.ended(20_000)).toEqual({ status: 1, signal: null });
    await expectNothingLeft();
  });

  it.each([300, 900, 1_500, 2_500, 4_000])('leaves nothing behind when it is stopped %i ms after its start', async (afterMs) => {
    const run = installation.start(['--rack', '3', '--plain', '--split']);
    await sleep(afterMs); // any moment will do: this is about where it is then
    process.kill(run.pid, 'SIGINT');
    const end = await run.ended(20_000);
    // Before our handler is there, the signal itself ends it; nothing was started by then.
    expect([0, null]).toContain(end.status);
    await expectNothingLeft();
  });

  it('stops when the terminal is closed', async () => {
    const run = inTerminal(['npm', 'start', '--', '--rack', '3']);
    await untilInstalling();
    run.child.kill('SIGKILL');
    await waitFor(() => installation.processes().length === 0, { what: 'everything to stop', timeoutMs: 20_000 });
  });

  it('stops when nobody reads what it says', async () => {
    const run = installation.start(['--rack', '3', '--plain']);
    await run.said(/nodes alive/, 90_000);
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    await run.ended(20_000);
    await expectNothingLeft();
  });
});
