import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PowerAsk } from '../../../src/power/act.js';
import { bmcUnreachable, Secret } from '../../../src/power/power.js';
import { secretsOf } from '../../../src/power/secrets.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

describe('power', () => {
  let fixture: ApiFixture;
  const asked: Omit<PowerAsk, 'signal'>[] = [];
  beforeAll(async () => {
    fixture = await startApi({
      secrets: secretsOf(randomBytes(32)),
      async power({ signal: _signal, ...ask }) {
        asked.push(ask);
        if (ask.action === 'off')
          throw bmcUnreachable({ driver: 'ipmi', address: '127.0.0.9', port: 623, username: 'root', password: new Secret('hunter2') }, 'no answer');
      },
    });
    await fixture.as('admin').post(`${API}/nodes`).send({ name: 'n1.test' }).expect(201);
  });
  afterAll(() => fixture.close());

  it('needs a BMC first (409)', async () => {
    const { body } = await fixture.as('operator').put(`${API}/nodes/n1.test/power`).send({ action: 'on' }).expect(409);
    expect(body.code).toBe('no-bmc');
  });

  it('keeps the password of a BMC encrypted and shows it nowhere', async () => {
    const { text, body } = await fixture
      .as('admin')
      .put(`${API}/nodes/n1.test/bmc`)
      .send({ driver: 'simulated', address: '127.0.0.1', port: 8199, username: 'root', password: 'hunter2' })
      .expect(200);
    expect(body.bmc).toEqual({ driver: 'simulated', address: '127.0.0.1', port: 8199, username: 'root', power: 'unknown', last_error: null });
    expect(text).not.toContain('hunter2');
    const { rows } = await fixture.db.pool.query<{ row: string }>(
      'SELECT b::text AS row FROM bmcs b UNION ALL SELECT a::text FROM audit a UNION ALL SELECT e::text FROM outbox_events e',
    );
    expect(rows.some(({ row }) => row.includes('hunter2'))).toBe(false);
  });

  it('switches, and says what it shall boot then', async () => {
    const { body } = await fixture.as('operator').put(`${API}/nodes/n1.test/power`).send({ action: 'cycle', next_boot: 'pxe' }).expect(200);
    expect(body.name).toBe('n1.test');
    expect(asked.at(-1)).toEqual({ nodeId: body.id, action: 'cycle', nextBoot: 'pxe' });
  });

  it('is 502 when the BMC does not answer, with the reason', async () => {
    const { body } = await fixture.as('operator').put(`${API}/nodes/n1.test/power`).send({ action: 'off' }).expect(502);
    expect(body).toMatchObject({ code: 'upstream-failed', status: 502 });
    expect(body.detail).toContain('127.0.0.9:623');
  });

  it('refuses a BMC that is none', async () => {
    const { body } = await fixture.as('admin').put(`${API}/nodes/n1.test/bmc`).send({ driver: 'smoke', address: 'a b', port: 0 }).expect(400);
    expect(body.errors.map((problem: { field: string }) => problem.field)).toEqual(['driver', 'address', 'port']);
    expect(body.errors[0].message).toContain('simulated');
  });
});
