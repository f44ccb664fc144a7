import { afterEach, describe, expect, it } from '@jest/globals';
import { assertReachable } from '../../../src/db/client.js';
import { isTransactionPooled } from '../../../src/db/pooler.js';
import { testServerUrl } from '../../support/postgres.js';
import { startTransactionPooler, type TransactionPooler } from '../../support/transaction-pooler.js';

const open: TransactionPooler[] = [];
afterEach(() => Promise.all(open.splice(0).map((pooler) => pooler.close())));
async function pooler(size: number): Promise<string> {
  const started = await startTransactionPooler(testServerUrl(), size);
  open.push(started);
  return started.url;
}

describe('rule 23: the database behind a transaction pooler', () => {
  it('is a direct connection: taken', async () => {
    expect(await isTransactionPooled(testServerUrl())).toBe(false);
    await assertReachable(testServerUrl());
  });

  it.each([1, 2, 5])('is found out through a pool of %i connections', async (size) => {
    expect(await isTransactionPooled(await pooler(size))).toBe(true);
  });

  it('is refused at the start, with what to do', async () => {
    await expect(assertReachable(await pooler(3))).rejects.toMatchObject({
      code: 'bad-configuration',
      message: expect.stringContaining('transaction pooler'),
      fix: expect.stringContaining('pool_mode=session'),
    });
  });

  it('an address where nobody answers is that, and not a pooler', async () => {
    await expect(assertReachable('postgresql://127.0.0.1:1/x')).rejects.toMatchObject({ message: expect.stringContaining('no PostgreSQL answers') });
  });
});
