import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { jsonbArray, jsonList, numberArray, textArray } from '../../../src/db/arrays.js';
import { openDb, type Db } from '../../../src/db/client.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase({ from: 'empty' });
  db = openDb({ url: database.url, applicationName: 'arrays-test' });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const back = async (sql: string, value: string) => (await db.pool.query<{ value: unknown }>(`SELECT to_json(${sql}) AS value`, [value])).rows[0]?.value;

it('every list arrives as it was sent', async () => {
  const texts = ['', 'NULL', null, 'a,b', '{x}', '"', '\\', '\\"\\\\', 'two\nlines', ' ü\u{1F600} ', "'"];
  expect(await back('$1::text[]', textArray(texts))).toEqual(texts);
  expect(await back('$1::bigint[]', numberArray([1, -2, 2 ** 40]))).toEqual([1, -2, 2 ** 40]);
  const documents = [{ a: '"\\{},' }, [], 'text', 7, null, {}];
  expect(await back(jsonbArray('$1'), jsonList(documents.map((document) => JSON.stringify(document))))).toEqual(documents);
  expect(await back(`cardinality($1::int[])`, numberArray([]))).toBe(0);
  expect(await back(`cardinality($1::text[])`, textArray([]))).toBe(0);
  expect(await back(`cardinality(${jsonbArray('$1')})`, jsonList([]))).toBe(0);
  const { rows } = await db.pool.query<{ nulls: boolean[] }>(`SELECT ARRAY(SELECT e IS NULL FROM unnest(${jsonbArray('$1')}) AS e) AS nulls`, ['[{},null]']);
  expect(rows[0]?.nulls).toEqual([false, true]);
});
