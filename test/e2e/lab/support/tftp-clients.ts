/** Independent TFTP clients of Debian's archive: each fetches one file into a folder. */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';
import { runIn } from './command.js';

/** Client, and what it asks for beside the file: lock-step with 512 bytes, a block size, a window (RFC 7440). */
export const TFTP_CLIENTS = ['atftp', 'atftp, window 16', 'tftp-hpa', 'curl', 'curl, blocks of 1428', 'busybox tftp, blocks of 1428'] as const;
export type TftpClient = (typeof TFTP_CLIENTS)[number];

/** The bytes it wrote. Rejects with what it said when it failed. */
export async function fetchBy(client: TftpClient, ns: string, server: string, file: string, folder: string, timeoutMs = 60_000): Promise<Buffer> {
  const target = path.join(folder, `${client.replaceAll(/\W+/g, '-')}-${path.basename(file)}`);
  const { command, env } = await commandOf(client, server, file, target);
  const { status, stdout, stderr } = await runIn(ns, command, { env, timeoutMs, cwd: folder });
  // tftp-hpa says what went wrong and ends with 0.
  if (status !== 0 || stdout.includes('Error code')) throw new Error(`${command.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  const bytes = readFileSync(target);
  rmSync(target);
  return bytes;
}

async function commandOf(client: TftpClient, server: string, file: string, target: string): Promise<{ command: string[]; env: NodeJS.ProcessEnv }> {
  const [name, extra] = client.split(', ');
  switch (name) {
    case 'atftp': {
      const { atftp } = await ensureTools(['atftp']);
      const options = extra === undefined ? [] : ['--option', 'blksize 1428', '--option', 'windowsize 16'];
      return { command: [atftp.path, ...options, '-g', '-r', file, '-l', target, server], env: atftp.env };
    }
    case 'tftp-hpa': {
      const { tftp } = await ensureTools(['tftp']);
      return { command: [tftp.path, '-m', 'binary', server, '-c', 'get', file, target], env: tftp.env };
    }
    case 'curl': {
      const { curl } = await ensureTools(['curl']);
      const options = extra === undefined ? ['--tftp-no-options'] : ['--tftp-blksize', '1428'];
      return { command: [curl.path, '-sS', ...options, '-o', target, `tftp://${server}/${file}`], env: curl.env };
    }
    default: {
      const { busybox } = await ensureTools(['busybox']);
      return { command: [busybox.path, 'tftp', '-b', '1428', '-g', '-r', file, '-l', target, server], env: busybox.env };
    }
  }
}
