/** The load generator as a child process: what it is told and what it answers. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { inProject } from '../../lib/project.mjs';

/** Either `window` exchanges always under way (what is the most?), or `perSecond` begun by the clock (how long does one take?). */
export type LoadOrder = {
  id: number;
  host: string;
  port: number;
  /** Number of the first machine and how many take turns. */
  firstClient: number;
  clients: number;
  window: number;
  perSecond: number;
  seconds: number;
  keepLatencies: boolean;
};

/** `lost`: no ACK within a second, or refused. Latencies are from DISCOVER sent to ACK received. `ownCpuMicros`: what an exchange costs the generator. */
export type LoadResult = {
  begun: number;
  done: number;
  lost: number;
  perSecond: number;
  medianMs: number;
  p99Ms: number;
  mostMs: number;
  ownCpuMicros: number;
};

export type Load = {
  port: number;
  run(order: Partial<LoadOrder>): Promise<LoadResult>;
  stop(): Promise<void>;
};

const NODE_ARGUMENTS = ['--import', 'tsx'];
const DEFAULTS = { host: '127.0.0.1', firstClient: 0, clients: 10_000, window: 0, perSecond: 0, seconds: 5, keepLatencies: false };

/** An order ends this long after its time at the latest: what is under way then is answered or lost. */
const GRACE_SECONDS = 20;

/** Starts a generator that speaks from `host:port` (0: any port) to servers on `target`; in a network namespace when one is named. */
export async function startLoad(host: string, port: number, target: { host?: string; port: number }, namespace?: string): Promise<Load> {
  const child = fork(inProject('scripts/bench/dhcp/load-main.ts'), [host, String(port)], {
    ...(namespace === undefined
      ? { execArgv: NODE_ARGUMENTS }
      : { execPath: 'ip', execArgv: ['netns', 'exec', namespace, process.execPath, ...NODE_ARGUMENTS] }),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [{ port: number }];
  let lastId = 0;
  return {
    port: ready.port,
    run: (order) =>
      new Promise((resolve, reject) => {
        const id = (lastId += 1);
        const onMessage = (message: LoadResult & { kind: string }): void => {
          if (message.kind !== `result-${id}`) return;
          clearTimeout(overdue);
          child.off('message', onMessage).off('exit', onExit);
          resolve(message);
        };
        const onExit = (): void => reject(new Error('the load generator ended'));
        const overdue = setTimeout(
          () => reject(new Error('the load generator did not come to an end')),
          ((order.seconds ?? DEFAULTS.seconds) + GRACE_SECONDS) * 1000,
        );
        child.on('message', onMessage).once('exit', onExit);
        child.send({ ...DEFAULTS, ...target, ...order, id });
      }),
    stop: async () => {
      if (child.exitCode !== null) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}
