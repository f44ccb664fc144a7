/** Attack 6 at its full size: 10,000 clients of boot HTTP that hold on to what they have, beside a machine that boots. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { scriptPath, startBootFixture, type BootFixture, type Machine } from '../integration/bootenvs/boot-fixture.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';
import { waitFor } from '../support/wait-for.js';

const CLIENTS = 10_000;
/** Each holds its share of 250: an address alone is cut at 256. */
const ADDRESSES = 40;
const MEGABYTE = 2 ** 20;

type Flood = { opened: number; answered: number; cut: number };

let servers: TestServers;
let fixture: BootFixture;
let machine: Machine;
let child: ChildProcess | undefined;
beforeAll(async () => {
  servers = await startTestServers();
  fixture = await startBootFixture();
  machine = await fixture.machine(1);
}, 60_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await fixture.close();
  await servers.stop();
});

/** Starts the clients in a process of their own; `state` is what they have seen so far. */
async function flood(words: string, drip: string): Promise<{ state: Flood; stop(): Promise<void> }> {
  const started = fork(new URL('./support/flood-main.mjs', import.meta.url), [new URL(fixture.baseUrl).port, String(CLIENTS), String(ADDRESSES), words, drip], {
    execArgv: [],
    env: {},
  });
  child = started;
  const seen = { state: { opened: 0, answered: 0, cut: 0 } };
  started.on('message', (state: Flood) => (seen.state = state));
  return {
    get state() {
      return seen.state;
    },
    async stop() {
      const ended = once(started, 'exit');
      started.kill('SIGKILL');
      await ended;
      child = undefined;
    },
  };
}

/** A machine that boots fetches its script over a connection of its own; milliseconds. */
async function fetchScript(): Promise<number> {
  const before = performance.now();
  const { status } = await fixture.ask(machine.address, scriptPath(machine.mac));
  expect(status).toBe(200);
  return performance.now() - before;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const heldBytes = (): number => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

describe('attack 6: 10,000 clients at once', () => {
  it.each([
    ['idle keep-alives', 'GET /boot/loaders/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n', ''],
    ['heads that never end (slowloris)', 'GET / HTTP/1.1\r\nX-Slow: ', 'x'],
  ])(
    '%s: a machine that boots is let in at once, memory is bounded, and all of it is free again',
    async (_, words, drip) => {
      await fetchScript();
      const before = heldBytes();
      const clients = await flood(words, drip);
      await waitFor(() => clients.state.opened === CLIENTS, { what: 'every client to have come', timeoutMs: 60_000 });
      const waits: number[] = [];
      for (let boot = 0; boot < 20; boot += 1) waits.push(await fetchScript());
      expect(await fixture.connections()).toBeLessThanOrEqual(4_096 + 64);
      expect(heldBytes() - before).toBeLessThan(256 * MEGABYTE);
      process.stderr.write(`  slowest script beside 10,000 clients: ${Math.max(...waits).toFixed(0)} ms; ${JSON.stringify(clients.state)}\n`);
      expect(Math.max(...waits)).toBeLessThan(5_000);
      // Whoever is cut comes no more: what the server still holds ends by its timeouts.
      await waitFor(() => clients.state.cut === CLIENTS, { what: 'every one to be cut', timeoutMs: 60_000 });
      expect(await fixture.connections()).toBeLessThan(10);
      await clients.stop();
      await fetchScript();
      expect(heldBytes() - before).toBeLessThan(32 * MEGABYTE);
    },
    170_000,
  );
});
