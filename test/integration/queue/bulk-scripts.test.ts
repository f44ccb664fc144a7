import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Queue, type IRedisClient } from 'bullmq';
import { bulkClient, inLoop, ScriptedRedis } from '../../../src/queue/bulk-scripts.js';
import { redisPrefix, redisUrl } from '../../support/redis.js';

const NOTE = `
local key, value = KEYS[2], ARGV[2]
if value == 'bad' then return redis.error_reply('ERR told to fail') end
if value == 'worse' then return redis.call('LPUSH') end
if value == 'nothing' then return nil end
redis.call('RPUSH', KEYS[1], ARGV[1] .. value)
return { key, value, #ARGV }`;

describe('scripts in bulk', () => {
  let redis: ScriptedRedis;
  let client: IRedisClient;
  const list = `bulk-${process.pid}`;
  const commands = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  const note = (value: unknown, key = 'k') => client.runCommand('note', [list, key, 'v', value]);

  beforeEach(async () => {
    redis = new ScriptedRedis(redisUrl(), { maxRetriesPerRequest: null });
    client = bulkClient(redis);
    client.defineCommand('note', { numberOfKeys: 2, lua: NOTE });
    client.defineCommand('count', { numberOfKeys: 1, lua: `return redis.call('LLEN', KEYS[1])` });
    await redis.del(list);
  });
  afterEach(async () => {
    await redis.del(list);
    await redis.quit();
  });

  it('gives every call its own answer, in order, whatever differs between them', async () => {
    const answers = await Promise.all([note(1), note('ü', 'other'), note(Buffer.from('b')), note(undefined), note('nothing')]);
    expect(answers).toEqual([['k', '1', 2], ['other', 'ü', 2], ['k', 'b', 2], ['k', '', 2], null]);
    expect(await redis.lrange(list, 0, -1)).toEqual(['v1', 'vü', 'vb', 'v']);
  });

  it('fails the call that fails and no other', async () => {
    const outcomes = await Promise.allSettled([note('a'), note('bad'), note('b'), note('worse'), note('c')]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(String((outcomes[1] as PromiseRejectedResult).reason)).toContain('told to fail');
    expect(await redis.lrange(list, 0, -1)).toEqual(['va', 'vb', 'vc']);
  });

  it('keeps the order of calls of different scripts', async () => {
    const counted = () => client.runCommand('count', [list]);
    const answers = await Promise.all([note('a'), counted(), note('b'), note('c'), counted()]);
    expect([answers[1], answers[4]]).toEqual([1, 3]);
  });

  it('sends a thousand calls as ten', async () => {
    await Promise.all([note('first'), note('second')]);
    const before = await commands();
    await Promise.all(Array.from({ length: 1000 }, (_unused, index) => note(index)));
    expect((await commands()) - before).toBeLessThanOrEqual(12);
    expect(await redis.llen(list)).toBe(1002);
  });

  it('puts a thousand jobs of a queue with ten calls', async () => {
    const queue = new Queue(`bulk-${process.pid}`, { connection: client, prefix: redisPrefix() });
    const jobs = (name: string) => Array.from({ length: 1000 }, (_unused, index) => ({ name, data: { index }, opts: { jobId: `${name}-${index}` } }));
    await queue.addBulk(jobs('first'));
    const before = await commands();
    await queue.addBulk(jobs('second'));
    expect((await commands()) - before).toBeLessThanOrEqual(12);
    expect(await queue.getWaitingCount()).toBe(2000);
    // Whatever BullMQ may come to call twice at once has to be a function's body as it stands.
    for (const { lua } of redis.scripts.values()) await redis.script('LOAD', inLoop(lua));
    expect(redis.scripts.size).toBeGreaterThan(20);
    await queue.obliterate();
    await queue.close();
  });

  it('fails a call that cannot be made, and no other', async () => {
    const outcomes = await Promise.allSettled([client.runCommand('unknown', []), note('a'), client.runCommand('unknown', [])]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'fulfilled', 'rejected']);
  });

  it('goes on after the server has forgotten its scripts', async () => {
    await Promise.all([note('a'), note('b')]);
    await redis.script('FLUSH');
    await Promise.all([note('c'), note('d')]);
    expect(await redis.lrange(list, 0, -1)).toEqual(['va', 'vb', 'vc', 'vd']);
  });

  it('takes a pipeline of scripts in bulk, and one with other commands as it is', async () => {
    const scripts = client.pipeline();
    for (const value of ['a', 'bad', 'b']) scripts.runCommand('note', [list, 'k', 'v', value]);
    const [first, second] = (await scripts.exec()) ?? [];
    expect(first).toEqual([null, ['k', 'a', 2]]);
    expect(second?.[0]).toBeInstanceOf(Error);
    const mixed = client.pipeline();
    mixed.runCommand('note', [list, 'k', 'v', 'c']).llen(list).runCommand('count', [list]);
    expect(await mixed.exec()).toEqual([
      [null, ['k', 'c', 2]],
      [null, 3],
      [null, 3],
    ]);
  });
});
