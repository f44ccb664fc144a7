/** Transfers in sight while they run: from the server through the database to the API. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createNode } from '../../../src/nodes/store.js';
import { reportTransfers, type TransferReport } from '../../../src/nodes/transfer-report.js';
import { LiveTransfers } from '../../../src/nodes/transfers.js';
import { createLogger } from '../../../src/shared/logger.js';
import { TftpServer } from '../../../src/tftp/server.js';
import { ack, fetchFile, next, openClient, request } from '../../support/tftp-client.js';
import { waitFor } from '../../support/wait-for.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

const MAC = '52:54:00:00:00:01';
const log = createLogger('test', 'silent');
let api: ApiFixture;
let root: string;
let server: TftpServer;
let port: number;
let report: TransferReport;

beforeAll(async () => {
  api = await startApi();
  await createNode(api.db, { name: 'n1', macs: [MAC], deploymentId: null });
  root = await mkdtemp(path.join(os.tmpdir(), 'prybar-transfers-'));
  await writeFile(path.join(root, 'ipxe.efi'), Buffer.alloc(5_000, 7));
  const transfers = new LiveTransfers();
  report = reportTransfers(api.db.pool, transfers, log);
  server = new TftpServer({ addresses: ['127.0.0.1'], port: 0, root, log, transfers, macOf: async (address) => (address === '127.0.0.1' ? MAC : null) });
  port = await server.start();
});
afterAll(async () => {
  await server.close();
  await report.close();
  await api.close();
  await rm(root, { recursive: true, force: true });
});

const list = async (query = '') => {
  await report.flush();
  return (await api.as('viewer').get(`${API}/boot/transfers${query}`).expect(200)).body;
};

describe('transfers of boot files', () => {
  it('are seen while they run, with file, bytes, rate and what was sent again, and how they ended', async () => {
    const client = await openClient();
    client.send(request('ipxe.efi', { blksize: 1_000, windowsize: 2 }), port, '127.0.0.1');
    const oack = await next(client);
    const peer = oack?.from.port ?? 0;
    const waiting = next(client);
    client.send(ack(0), peer, '127.0.0.1');
    await waiting;
    client.send(ack(2), peer, '127.0.0.1');
    const running = await waitFor(
      async () => {
        const { items } = await list('?state=running&protocol=tftp');
        return items[0]?.bytes === 2_000 && items[0].mac === MAC ? items[0] : undefined;
      },
      { what: 'the transfer in the list' },
    );
    expect(running).toMatchObject({
      node: { name: 'n1' },
      mac: MAC,
      file: 'ipxe.efi',
      size_bytes: 5_000,
      block_bytes: 1_000,
      window_blocks: 2,
      state: 'running',
      ended_at: null,
    });
    expect(running.bytes_per_second).toBeGreaterThanOrEqual(0);
    const again = next(client);
    client.send(ack(2), peer, '127.0.0.1');
    await again;
    client.send(ack(6), peer, '127.0.0.1');
    client.send(ack(4), peer, '127.0.0.1');
    await waitFor(() => server.counters().active === 1, { what: 'the transfer' });
    client.send(ack(6), peer, '127.0.0.1');
    const done = await waitFor(async () => (await list('?state=done&node=n1')).items[0], { what: 'the end of the transfer' });
    expect(done).toMatchObject({ id: running.id, bytes: 5_000, retransmits: 1, state: 'done', reason: '' });
    client.close();
  });

  it('end as aborted when the machine ends them, with its reason', async () => {
    const client = await openClient('127.0.0.3');
    client.send(request('ipxe.efi'), port, '127.0.0.1');
    const first = await next(client);
    client.send(Buffer.from('\0\x05\0\x03disk full\0', 'latin1'), first?.from.port ?? 0, '127.0.0.1');
    const aborted = await waitFor(async () => (await list('?state=aborted&address=127.0.0.3')).items[0], { what: 'the end of the transfer' });
    expect(aborted).toMatchObject({ mac: null, node: null, reason: 'client error 3: disk full', bytes: 0 });
    client.close();
  });

  it('are listed in pages, the newest first, and by name', async () => {
    for (let count = 0; count < 3; count += 1) await fetchFile(port, 'ipxe.efi', { blksize: 1_468 });
    const page = await list('?limit=2&q=IPXE');
    expect(page.items).toHaveLength(2);
    expect(page.items[0].id).toBeGreaterThan(page.items[1].id);
    const second = await list(`?limit=2&q=ipxe&after=${page.next}`);
    expect(second.items[0].id).toBeLessThan(page.items[1].id);
    expect((await list('?q=no-such-file')).items).toEqual([]);
  });

  it('refuse a filter that is none, naming it', async () => {
    for (const query of ['?state=over', '?protocol=ftp', '?address=here', '?after=x', '?nonsense=1']) {
      const { body } = await api.as('viewer').get(`${API}/boot/transfers${query}`).expect(400);
      expect(JSON.stringify(body)).toContain(/\?(\w+)/.exec(query)?.[1]);
    }
    await api.as('viewer').get(`${API}/boot/transfers?node=nobody`).expect(404);
  });

  it('are lost when their server ended without a word, and forgotten after an hour', async () => {
    await api.db.pool.query(
      `INSERT INTO boot_transfers (server, local_id, protocol, address, file, size_bytes, bytes, bytes_per_second, retransmits, state, started_at, updated_at)
       VALUES ('gone', 1, 'http', '127.0.0.5', 'initrd', 10, 5, 1, 0, 'running', clock_timestamp() - interval '30 seconds', clock_timestamp() - interval '20 seconds'),
              ('gone', 2, 'http', '127.0.0.5', 'old', 10, 5, 1, 0, 'running', clock_timestamp() - interval '2 hours', clock_timestamp() - interval '2 hours')`,
    );
    expect((await list('?state=lost&protocol=http')).items).toMatchObject([{ file: 'old' }, { file: 'initrd' }]);
    const fresh = reportTransfers(api.db.pool, new LiveTransfers(), log);
    await fresh.close();
    expect((await list('?state=lost')).items).toMatchObject([{ file: 'initrd' }]);
  });
});
