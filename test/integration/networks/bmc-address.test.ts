/** netboot rule 8: BMCs are hosts of a network of their own, with reservations and names. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openSecrets } from '../../../src/power/secrets.js';
import { emptyTables } from '../../support/empty-tables.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

let own: ApiFixture;
beforeAll(async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'prybar-bmc-'));
  own = await startApi({ secrets: await openSecrets(home) });
  await rm(home, { recursive: true });
});
afterAll(() => own.close());
afterEach(() => emptyTables(own.db.pool, ['nodes', 'nics', 'bmcs', 'networks', 'reservations']));

const network = (body: object) => own.as('operator').post(`${API}/networks`).send(body).expect(201);
const oob = (more: object = {}) =>
  network({ name: 'oob', subnet: '10.9.0.0/24', category: 'bmc', ranges: [{ name: 'bmc', first: '10.9.0.10', last: '10.9.0.12' }], ...more });
const node = async (name: string, last: number): Promise<void> => {
  await own
    .as('operator')
    .post(`${API}/nodes`)
    .send({ name, macs: [`52:54:00:00:09:0${last}`] })
    .expect(201);
};
const BMC = { driver: 'ipmi', port: 623, username: 'admin', password: 'calvin' };
const setBmc = (name: string, more: object) =>
  own
    .as('admin')
    .put(`${API}/nodes/${name}/bmc`)
    .send({ ...BMC, ...more });
const addressOf = async (name: string, more: object): Promise<string> => (await setBmc(name, more).expect(200)).body.bmc.address as string;
const reservations = async () => (await own.db.pool.query('SELECT address, mac FROM reservations ORDER BY address')).rows;

describe('netboot rule 8: the address of a BMC', () => {
  it('comes from the network of BMCs, the same host part as the node has where that is free, and stays when asked again', async () => {
    await network({ name: 'admin', subnet: '10.1.0.0/24', category: 'admin', ranges: [{ name: 'host', first: '10.1.0.11', last: '10.1.0.40' }] });
    await oob();
    for (const [index, name] of ['n1', 'n2', 'n3'].entries()) await node(name, index + 1);
    expect(await addressOf('n1', { mac: 'AA-00-00-00-00-01' })).toBe('10.9.0.11');
    expect(await addressOf('n1', { mac: 'aa:00:00:00:00:01' })).toBe('10.9.0.11');
    expect(await addressOf('n2', { mac: 'aa:00:00:00:00:02' })).toBe('10.9.0.12');
    expect(await addressOf('n3', {})).toBe('10.9.0.10');
    expect((await reservations()).filter(({ address }) => address.startsWith('10.9'))).toEqual([
      { address: '10.9.0.10', mac: null },
      { address: '10.9.0.11', mac: 'aa:00:00:00:00:01' },
      { address: '10.9.0.12', mac: 'aa:00:00:00:00:02' },
    ]);
  });

  it('is what was reserved for its MAC beforehand, and stays with the node when the board is replaced', async () => {
    await oob();
    await node('n1', 1);
    await own.as('operator').post(`${API}/allocations`).send({ network: 'oob', address: '10.9.0.77', mac: 'aa:00:00:00:00:01', hostname: 'spare' }).expect(201);
    expect(await addressOf('n1', { mac: 'aa:00:00:00:00:01' })).toBe('10.9.0.77');
    expect(await addressOf('n1', { mac: 'aa:00:00:00:00:02' })).toBe('10.9.0.77');
    expect(await reservations()).toEqual([{ address: '10.9.0.77', mac: 'aa:00:00:00:00:02' }]);
  });

  it('is the operator’s own when he gives one; nothing is reserved', async () => {
    await oob();
    await node('n1', 1);
    expect(await addressOf('n1', { address: '192.0.2.9' })).toBe('192.0.2.9');
    expect(await reservations()).toEqual([]);
  });

  it('is missed in words: no such network, no range, a full range, another machine’s MAC', async () => {
    for (const [index, name] of ['n1', 'n2', 'n3', 'n4'].entries()) await node(name, index + 1);
    const none = await setBmc('n1', {}).expect(400);
    expect(none.body.errors).toEqual([{ field: 'address', message: expect.stringContaining('make a network for BMCs: prybar networks create') }]);
    await oob();
    for (const name of ['n1', 'n2', 'n3']) await setBmc(name, { mac: `aa:00:00:00:00:0${name.slice(1)}` }).expect(200);
    expect((await setBmc('n4', {}).expect(409)).body.code).toBe('range-full');
    expect((await setBmc('n4', { mac: 'aa:00:00:00:00:01' }).expect(409)).body.code).toBe('mac-taken');
  });
});
