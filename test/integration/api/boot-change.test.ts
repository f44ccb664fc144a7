/** A change through the API is in the DHCP table when the API answers: nothing else runs here, no hook and no worker. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { API, startApi, type ApiFixture } from './api-fixture.js';

let own: ApiFixture;
beforeAll(async () => {
  own = await startApi();
});
afterAll(() => own.close());

const patch = (key: string, body: object) => own.as('operator').patch(`${API}/nodes/${key}`).send(body);
const entries = async () => (await own.db.pool.query('SELECT mac, hostname, options, revision FROM dhcp_entries')).rows;
const audits = async () => (await own.db.pool.query<{ detail: object }>(`SELECT detail FROM audit WHERE action = 'node.change' ORDER BY id`)).rows;

it('writes the DHCP entry and the audit with the change of the node that asks for them', async () => {
  const { body } = await own
    .as('operator')
    .post(`${API}/nodes`)
    .send({ name: 'n1.test', macs: ['52:54:00:00:00:01'] })
    .expect(201);
  await patch('n1.test', { dhcp_options: { 'root-path': '/srv/n1' }, description: 'third from the left' }).expect(200);
  expect(await entries()).toEqual([{ mac: '52:54:00:00:00:01', hostname: 'n1', options: { 'root-path': '/srv/n1' }, revision: 1 }]);
  expect(await audits()).toEqual([{ detail: { changed: ['description', 'dhcp_options'] } }]);
  // What is so already is neither written nor told.
  await patch(String(body.id), { dhcp_options: { 'root-path': '/srv/n1' } }).expect(200);
  expect([(await entries())[0]?.revision, (await audits()).length]).toEqual([1, 1]);
  await patch('2147483647', { available: false }).expect(404);
});

it('asks the database twice before the commit: who is it, and the change', async () => {
  const asking = jest.spyOn(own.db.pool, 'query');
  await patch('1', { dhcp_options: { 'root-path': '/srv/n2' } }).expect(200);
  const asked = asking.mock.calls.map(([statement]: unknown[]) => (typeof statement === 'string' ? statement : (statement as { text: string }).text));
  asking.mockRestore();
  const before = asked.slice(0, asked.findIndex((text) => text.includes('change_node')) + 1);
  // On the same pool the feed of events polls, what was done before is made known, and the token's last use is written once a minute.
  const besides = ['outbox_', 'pg_notify', 'UPDATE api_tokens'];
  expect(before.filter((text) => !besides.some((one) => text.includes(one)))).toEqual([
    expect.stringContaining('FROM api_tokens'),
    expect.stringContaining('change_node'),
  ]);
});
