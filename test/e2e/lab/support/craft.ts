/** DHCP messages crafted and read by scapy: a packet library that shares nothing with ours. */
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../../../scripts/lib/project.mjs';
import path from 'node:path';
import { mustRunIn } from './command.js';
import type { Port } from './world.js';

export type Crafted = {
  mac: string;
  /** scapy's word: discover, request, decline, release, inform; absent: BOOTP. */
  type?: string;
  ciaddr?: string;
  giaddr?: string;
  flags?: number;
  /** Source and destination of the IP packet; default 0.0.0.0 and broadcast. */
  source?: string;
  to?: string;
  frame_to?: string;
  /** Options by scapy's names; by code with hex. */
  options?: Record<string, string | number>;
  hex_options?: Record<number, string>;
  /** false: sent without waiting for an answer. Seconds to wait, default 5. */
  wait?: boolean;
  timeout?: number;
};

export type Read = {
  yiaddr: string;
  siaddr: string;
  ciaddr: string;
  giaddr: string;
  file: string;
  to: string;
  frame_to: string;
  bytes: number;
  options: Record<string, unknown>;
  /** Option names as they came. */
  order: string[];
};

let lastXid = 0x1ab0000;

/** Sends them one after another; the answer to each, or null. */
export async function craft(port: Port, messages: readonly Crafted[]): Promise<(Read | null)[]> {
  const { scapy } = await ensureTools(['scapy']);
  const input = JSON.stringify({ interface: port.interface, messages: messages.map((message) => ({ xid: (lastXid += 1), ...message })) });
  // An unpacked package is not where Debian's Python looks.
  const modules = path.join(path.dirname(scapy.path), '../lib/python3/dist-packages');
  const output = await mustRunIn(port.ns, ['/usr/bin/python3', inProject('test/e2e/lab/support/craft.py')], {
    env: { ...scapy.env, PYTHONPATH: modules },
    input,
    timeoutMs: 60_000,
  });
  const answers: (Read | null)[] = JSON.parse(output);
  return answers;
}
