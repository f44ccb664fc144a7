/** ISC's load generator: many clients behind one relay, which is its own address. */
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';
import { runIn } from './command.js';
import type { Port } from './world.js';

export type LoadWords = {
  /** A server, or `all` for the broadcast address. */
  server: string;
  /** Exchanges a second, for so many seconds, by so many clients. */
  rate: number;
  seconds: number;
  clients: number;
  /** The first client's MAC; the others count on from it. */
  firstMac: string;
};

export type LoadResult = { discovers: number; offers: number; requests: number; acks: number; twice: number; text: string };

export async function loadBy(port: Port, words: LoadWords): Promise<LoadResult> {
  const { perfdhcp } = await ensureTools(['perfdhcp']);
  const rate = ['-r', String(words.rate), '-p', String(words.seconds), '-R', String(words.clients)];
  const command = [perfdhcp.path, '-4', '-u', ...rate, '-b', `mac=${words.firstMac}`, '-l', port.interface, words.server];
  const { stdout: text, stderr } = await runIn(port.ns, command, { env: perfdhcp.env, timeoutMs: (words.seconds + 30) * 1000 });
  const numbers = (what: RegExp): number[] => [...text.matchAll(what)].map((match) => Number(match[1]));
  const [discovers, requests] = numbers(/sent packets: (\d+)/g);
  const [offers, acks] = numbers(/received packets: (\d+)/g);
  const [, twice] = numbers(/non unique addresses: (\d+)/g);
  if (discovers === undefined || requests === undefined || offers === undefined || acks === undefined || twice === undefined) {
    throw new Error(`perfdhcp told nothing: ${text}${stderr}`);
  }
  return { discovers, offers, requests, acks, twice, text };
}
