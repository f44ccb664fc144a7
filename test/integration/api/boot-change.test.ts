/** A change through the API is in the DHCP table when the API answers: nothing else runs here, no hook and no worker. */
import { expect, it } from '@jest/globals';
import { openDb } from '../../../src/db/client.js';
import { rewriteEntries } from '../../../src/roles/builtin/dhcp-database.js';
import { createTestDatabase } from '../../support/postgres.js';
import { API, startApi } from './api-fixture.js';

it('writes the DHCP entry with the change of the node that asks for it', async () => {
  const database = await createTestDatabase();
  const db = { ...openDb({ url: database.url, applicationName: 'boot-change-test' }), bootTable: rewriteEntries };
  const own = await startApi({ db });
  try {
    for (const row of (await own.db.pool.query<{ name: string; sha256: string; scope: string }>('SELECT name, sha256, scope FROM api_tokens')).rows)
      await db.pool.query('INSERT INTO api_tokens (name, sha256, scope) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [row.name, row.sha256, row.scope]);
    await db.pool.query(`INSERT INTO deployments (name, system) VALUES ('system', true) ON CONFLICT DO NOTHING`);
    await own
      .as('operator')
      .post(`${API}/nodes`)
      .send({ name: 'n1.test', macs: ['52:54:00:00:00:01'] })
      .expect(201);
    await own
      .as('operator')
      .patch(`${API}/nodes/n1.test`)
      .send({ dhcp_options: { 'root-path': '/srv/n1' } })
      .expect(200);
    expect((await db.pool.query('SELECT mac, hostname, options, revision FROM dhcp_entries')).rows).toEqual([
      { mac: '52:54:00:00:00:01', hostname: 'n1', options: { 'root-path': '/srv/n1' }, revision: 1 },
    ]);
  } finally {
    await own.close();
    await db.close();
    await database.drop();
  }
});
