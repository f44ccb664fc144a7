/** Tokens and installs on a real PostgreSQL: consumed once, whoever races (netboot-rules 18, 22; engine-rules 15; attacks 15, 16). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { completeInstall, disarmInstall, markWiping, redeployInstall, armInstall } from '../../../src/bootenvs/installs.js';
import { withTransaction } from '../../../src/db/client.js';
import { findToken, mintToken, revokeTokens } from '../../../src/nodes/tokens.js';
import { bootTokenOf, scriptPath, startBootFixture, type BootFixture, type Machine } from './boot-fixture.js';

let fixture: BootFixture;
let count = 0;
beforeAll(async () => {
  fixture = await startBootFixture();
});
afterAll(() => fixture.close());

type Armed = Machine & { installId: number; bootToken: string; installToken: string };

/** A machine whose installer has fetched its answers. */
async function fetched(): Promise<Armed> {
  count += 1;
  const machine = await fixture.machine(count);
  const installId = await fixture.arm(machine);
  const script = await fixture.ask(machine.address, scriptPath(machine.mac));
  const bootToken = bootTokenOf(script.text);
  const answers = await fixture.ask(machine.address, `/boot/answers/${bootToken}/preseed.cfg`);
  const installToken = /Bearer ([A-Za-z0-9_-]{43})'/.exec(answers.text)?.[1] ?? '';
  return { ...machine, installId, bootToken, installToken };
}

const statusOf = async (installId: number) => (await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: installId } })).status;
const factOf = async (installId: number) => (await fixture.db.prisma.fact.findUnique({ where: { key: `install:${installId}` } }))?.generation;
const nodeOf = (nodeId: number) => fixture.db.prisma.node.findUniqueOrThrow({ where: { id: nodeId } });
const eventsOf = async (nodeId: number, kind: string) => fixture.db.prisma.outboxEvent.findMany({ where: { kind, subjectType: 'node', subjectId: nodeId } });
const complete = (armed: Armed, source = armed.address) =>
  completeInstall(fixture.db, { nodeId: armed.nodeId, token: armed.installToken, source, report: { disk: '/dev/sda' } });

describe('life of an install', () => {
  it('goes armed, fetched, wiping, completed and raises its fact at each step', async () => {
    const armed = await fetched();
    expect([await statusOf(armed.installId), await factOf(armed.installId)]).toEqual(['fetched', 1]);
    await markWiping(fixture.db, { installId: armed.installId, disk: '/dev/sda' });
    expect([await statusOf(armed.installId), await factOf(armed.installId)]).toEqual(['wiping', 2]);
    const generation = (await nodeOf(armed.nodeId)).desiredGen;
    const done = await complete(armed);
    expect([await statusOf(armed.installId), await factOf(armed.installId)]).toEqual(['completed', 3]);
    expect(await nodeOf(armed.nodeId)).toMatchObject({ bootenv: 'local', desiredGen: generation + 1 });
    expect(await findToken(fixture.db, done.diskToken, 'disk')).toMatchObject({ nodeId: armed.nodeId, installId: armed.installId });
  });

  it('netboot rule 18: counts a boot once, however often its answers are fetched, with the same bytes', async () => {
    const armed = await fetched();
    const url = `/boot/answers/${armed.bootToken}/preseed.cfg`;
    const [one, two] = [await fixture.ask(armed.address, url), await fixture.ask(armed.address, url)];
    expect(one.text).toBe(two.text);
    expect((await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: armed.installId } })).fetches).toBe(1);
  });

  it('netboot rule 18: ends the read token when the disk is claimed', async () => {
    const armed = await fetched();
    await markWiping(fixture.db, { installId: armed.installId });
    expect((await fixture.ask(armed.address, `/boot/answers/${armed.bootToken}/preseed.cfg`)).status).toBe(404);
    expect(await findToken(fixture.db, armed.bootToken, 'boot')).toBeNull();
  });

  it('rule 15: keeps the id on a retry before the disk was touched, and refuses one after', async () => {
    const armed = await fetched();
    const again = () => withTransaction(fixture.db.pool, (tx) => armInstall(tx, { nodeId: armed.nodeId, nodeRoleId: 1, bootenv: 'debian-12', spec: {} }));
    expect(await again()).toEqual({ installId: armed.installId, status: 'armed' });
    await markWiping(fixture.db, { installId: armed.installId });
    await expect(again()).rejects.toMatchObject({ code: 'install-state-unknown' });
    await withTransaction(fixture.db.pool, (tx) => disarmInstall(tx, armed.nodeId, 'deadline'));
    expect(await statusOf(armed.installId)).toBe('unknown');
    await expect(again()).rejects.toMatchObject({ code: 'install-state-unknown' });
    expect(await withTransaction(fixture.db.pool, (tx) => redeployInstall(tx, { nodeId: armed.nodeId, nodeRoleId: 1 }, 'asked for'))).toBe(armed.installId);
    expect((await again()).installId).toBeGreaterThan(armed.installId);
  });

  it('rule 15: never arms what is complete', async () => {
    const armed = await fetched();
    await complete(armed);
    const again = await withTransaction(fixture.db.pool, (tx) => armInstall(tx, { nodeId: armed.nodeId, nodeRoleId: 1, bootenv: 'debian-12', spec: {} }));
    expect(again).toEqual({ installId: armed.installId, status: 'completed' });
  });

  it('race 4: takes a late completion of an unknown install for the evidence that it is', async () => {
    const armed = await fetched();
    await markWiping(fixture.db, { installId: armed.installId });
    await withTransaction(fixture.db.pool, (tx) => disarmInstall(tx, armed.nodeId, 'deadline'));
    await complete(armed);
    expect(await statusOf(armed.installId)).toBe('completed');
  });

  it('rule 15: lets nobody else install the node meanwhile', async () => {
    const armed = await fetched();
    await expect(
      withTransaction(fixture.db.pool, (tx) => armInstall(tx, { nodeId: armed.nodeId, nodeRoleId: 2, bootenv: 'rocky-9', spec: {} })),
    ).rejects.toMatchObject({ code: 'install-open' });
  });
});

describe('completion', () => {
  it('netboot rule 18: gives who repeats the call its first answer, with no alarm', async () => {
    const armed = await fetched();
    const first = await complete(armed);
    expect(await complete(armed)).toEqual(first);
    expect(await eventsOf(armed.nodeId, 'alarm')).toEqual([]);
    expect(await eventsOf(armed.nodeId, 'token-refused')).toEqual([]);
  });

  it('netboot rule 18, attack 16: of twenty callers from two sources lets exactly one source win, alarms and freezes the node', async () => {
    const armed = await fetched();
    const calls = Array.from({ length: 20 }, (_, index) => complete(armed, index % 2 === 0 ? armed.address : '127.0.9.9'));
    const settled = await Promise.allSettled(calls);
    const granted = settled.map((result, index) => ({ result, source: index % 2 })).filter(({ result }) => result.status === 'fulfilled');
    expect(granted).toHaveLength(10);
    expect(new Set(granted.map(({ source }) => source)).size).toBe(1);
    expect(new Set(granted.map(({ result }) => (result.status === 'fulfilled' ? result.value.diskToken : ''))).size).toBe(1);
    for (const result of settled) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'token-refused', status: 401 });
    const completions = await fixture.db.prisma.outboxEvent.count({
      where: { kind: 'install-changed', subjectId: armed.installId, data: { path: ['to'], equals: 'completed' } },
    });
    expect(completions).toBe(1);
    expect((await eventsOf(armed.nodeId, 'alarm')).length).toBeGreaterThan(0);
    expect((await eventsOf(armed.nodeId, 'token-refused')).length).toBeGreaterThan(0);
    expect((await nodeOf(armed.nodeId)).available).toBe(false);
  });

  it('race 5, attack 15: refuses the token of another node, an expired, a revoked and an abandoned one', async () => {
    const [one, two] = [await fetched(), await fetched()];
    await expect(complete({ ...one, nodeId: two.nodeId })).rejects.toMatchObject({ code: 'token-refused' });
    const expired = await withTransaction(fixture.db.pool, (tx) =>
      mintToken(tx, { kind: 'install', nodeId: one.nodeId, installId: one.installId, ttlSeconds: -1 }),
    );
    await expect(complete({ ...one, installToken: expired })).rejects.toMatchObject({ code: 'token-refused' });
    await expect(complete({ ...one, installToken: one.bootToken })).rejects.toMatchObject({ code: 'token-refused' });
    await withTransaction(fixture.db.pool, (tx) => disarmInstall(tx, one.nodeId, 'cancelled'));
    await expect(complete(one)).rejects.toMatchObject({ code: 'token-refused' });
    expect(await statusOf(one.installId)).toBe('abandoned');
    expect((await eventsOf(one.nodeId, 'token-refused')).length).toBeGreaterThan(0);
  });

  it.each([undefined, null, '', 7, {}, [], '\u0000', 'x'.repeat(43), 'ä'.repeat(43), `${'a'.repeat(42)}\n`, 'a'.repeat(10_000), "' OR 1=1 --"])(
    'refuses %j without an exception of the database',
    async (token) => {
      await expect(completeInstall(fixture.db, { nodeId: 1, token, source: '127.0.0.1' })).rejects.toMatchObject({ code: 'token-refused' });
      expect(await findToken(fixture.db, token, 'install')).toBeNull();
    },
  );

  it.each([Number.NaN, -1, 0, 2 ** 31, 2 ** 53, 1.5])('refuses node id %d', async (nodeId) => {
    const armed = await fetched();
    await expect(complete({ ...armed, nodeId })).rejects.toMatchObject({ code: 'token-refused' });
  });

  it('stores no NUL and no control character that an installer reports', async () => {
    const armed = await fetched();
    await completeInstall(fixture.db, {
      nodeId: armed.nodeId,
      token: armed.installToken,
      source: armed.address,
      report: { disk: 'a\u0000b\u001b[2J', loaderPath: 'x'.repeat(5_000) },
    });
    const { spec } = await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: armed.installId } });
    expect(spec).toMatchObject({ report: { disk: 'ab[2J', loader_path: 'x'.repeat(256) } });
  });
});

describe('tokens', () => {
  it('keeps only the hash, and revokes by node, MAC or install', async () => {
    const plain = await withTransaction(fixture.db.pool, (tx) => mintToken(tx, { kind: 'agent', nodeId: 1, mac: 'm', bootId: 'b', ttlSeconds: 60 }));
    expect(JSON.stringify((await fixture.db.pool.query('SELECT * FROM node_tokens')).rows)).not.toContain(plain);
    expect(await findToken(fixture.db, plain, 'disk')).toBeNull();
    expect(await findToken(fixture.db, plain, 'agent')).toMatchObject({ nodeId: 1, bootId: 'b' });
    expect(await withTransaction(fixture.db.pool, (tx) => revokeTokens(tx, { kinds: ['agent'] }))).toBe(0);
    expect(await withTransaction(fixture.db.pool, (tx) => revokeTokens(tx, { mac: 'm', kinds: ['agent'] }))).toBe(1);
    expect(await findToken(fixture.db, plain, 'agent')).toBeNull();
  });
});
