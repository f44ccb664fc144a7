/** A machine on a segment by a cable that loses, doubles and reorders frames, in both directions and by a seed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { inProject } from '../../../../scripts/lib/project.mjs';
import { waitFor } from '../../../support/wait-for.js';
import { mustRunIn } from './command.js';
import type { Port, World } from './world.js';

/** Shares of 1. */
export type Badness = { loss: number; duplicate: number; reorder: number };

export const GOOD: Badness = { loss: 0, duplicate: 0, reorder: 0 };

export type CableCounts = { carried: number; lost: number; doubled: number; reordered: number };

export type BadLink = {
  readonly port: Port;
  readonly set: (badness: Badness) => void;
  /** Pulls the cable; what it did. */
  readonly remove: () => Promise<CableCounts>;
};

let lastLink = 0;

/** A new machine at the end of such a cable; good until told otherwise. */
export async function addBadlyConnected(world: World, name: string, segment: string, words: { mac: string; address?: string; seed: number }): Promise<BadLink> {
  lastLink += 1;
  const [near, far] = [`near${lastLink}`, `far${lastLink}`];
  const { switchNs } = world;
  const cable = spawn('ip', ['netns', 'exec', switchNs, '/usr/bin/python3', inProject('test/e2e/lab/support/badlink.py'), near, far], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  cable.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const set = (badness: Badness): void => void cable.stdin.write(`${JSON.stringify({ seed: words.seed, ...badness })}\n`);
  set(GOOD);
  await waitFor(() => output.includes('up\n'), { what: 'the cable to be plugged' });
  const ns = await world.addMachine(name);
  await mustRunIn(switchNs, ['ip', 'link', 'set', near, 'master', segment, 'up']);
  await mustRunIn(switchNs, ['ip', 'link', 'set', far, 'netns', ns, 'name', 'eth0', 'address', words.mac]);
  if (words.address !== undefined) await mustRunIn(ns, ['ip', 'addr', 'add', words.address, 'dev', 'eth0']);
  await mustRunIn(ns, ['ip', 'link', 'set', 'eth0', 'up']);
  return {
    port: { ns, interface: 'eth0', mac: words.mac, switchNs, switchPort: near },
    set,
    async remove() {
      const exited = once(cable, 'exit');
      cable.stdin.end();
      await exited;
      const counts: CableCounts = JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
      return counts;
    },
  };
}
