/**
 * Two Ethernet segments that exist only for a test: a server namespace with two interfaces, one client namespace on each,
 * joined by veth pairs. Needs root and iproute2; nothing of it touches the machine's own interfaces.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Segment = { readonly client: string; readonly serverInterface: string; readonly serverAddress: string; readonly mac: string };

export type Fabric = { readonly server: string; readonly segments: readonly [Segment, Segment]; readonly remove: () => Promise<void> };

/** Why the fabric cannot be made here, or undefined when it can. Leaves nothing behind. */
export async function whyNoFabric(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = `pbprobe${process.pid}`;
  try {
    await run('ip', ['netns', 'add', probe]);
    await run('ip', ['netns', 'del', probe]);
    return undefined;
  } catch {
    return 'needs iproute2 and network namespaces';
  }
}

/** Makes the namespaces, named after this process. */
export async function makeFabric(): Promise<Fabric> {
  const prefix = `pb${process.pid}`;
  const server = `${prefix}s`;
  const segments: [Segment, Segment] = [
    { client: `${prefix}a`, serverInterface: 'eth1', serverAddress: '10.201.1.1', mac: '52:54:00:c9:01:05' },
    { client: `${prefix}b`, serverInterface: 'eth2', serverAddress: '10.201.2.1', mac: '52:54:00:c9:02:05' },
  ];
  const remove = async (): Promise<void> => {
    // Deleting a namespace deletes its interfaces and their peers.
    for (const name of [server, segments[0].client, segments[1].client]) await run('ip', ['netns', 'del', name]).catch(() => undefined);
  };
  try {
    await run('ip', ['netns', 'add', server]);
    await run('ip', ['-n', server, 'link', 'set', 'lo', 'up']);
    for (const segment of segments) {
      const { client, serverInterface, serverAddress, mac } = segment;
      await run('ip', ['netns', 'add', client]);
      const pair = ['link', 'add', serverInterface, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', client];
      await run('ip', ['-n', server, ...pair]);
      await run('ip', ['-n', server, 'addr', 'add', `${serverAddress}/24`, 'dev', serverInterface]);
      await run('ip', ['-n', server, 'link', 'set', serverInterface, 'up']);
      await run('ip', ['-n', client, 'link', 'set', 'eth0', 'up']);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { server, segments, remove };
}

/**
 * Makes a TCP database reachable from another network namespace: a Unix socket, whose path crosses namespaces, is
 * piped to it. Gives the URL to use there.
 */
export async function bridgeDatabase(url: string): Promise<{ url: string; close: () => Promise<void> }> {
  const target = new URL(url);
  const socketFolder = target.searchParams.get('host');
  if (socketFolder?.startsWith('/') === true) return { url, close: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), 'prybar-bridge-'));
  const bridge = createServer((inner) => {
    const outer = createConnection({ host: target.hostname, port: Number(target.port || '5432') });
    inner.pipe(outer).pipe(inner);
    // A pipe whose end is gone reads no more, and would never see that its beginning has gone too.
    for (const [one, other] of [[inner, outer] as const, [outer, inner] as const]) one.on('error', () => undefined).on('close', () => other.destroySoon());
  });
  bridge.listen(join(folder, '.s.PGSQL.5432'));
  await once(bridge, 'listening');
  const credentials = target.username === '' ? '' : `${target.username}:${target.password}@`;
  return {
    url: `postgres://${credentials}/${target.pathname.slice(1)}?host=${encodeURIComponent(folder)}`,
    close: async () => {
      await new Promise<void>((resolve) => {
        bridge.close(() => resolve());
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
