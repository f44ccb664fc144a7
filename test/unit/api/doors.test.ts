import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { bearerToken, isSame, newToken, requireScope } from '../../../src/api/auth.js';
import { pathOf, problemOf, toAppError } from '../../../src/api/error-handler.js';
import { createFailedAuth } from '../../../src/api/failed-auth.js';
import { readJsonBody } from '../../../src/api/json-body.js';
import { pageWindow, toPage } from '../../../src/api/paging.js';
import { parsePart } from '../../../src/api/validate.js';
import { ConflictError, ValidationError } from '../../../src/shared/errors.js';

describe('a failing token', () => {
  it('is told to wait after the limit, until the minute is over', () => {
    let now = 0;
    const failures = createFailedAuth(2, () => now);
    expect([failures.fail('a'), failures.fail('a'), failures.fail('a'), failures.fail('b')]).toEqual([0, 0, 60, 0]);
    now = 59_500;
    expect(failures.fail('a')).toBe(1);
    now = 60_000;
    expect(failures.fail('a')).toBe(0);
  });

  it('is remembered for a bounded number of addresses', () => {
    const failures = createFailedAuth(1, () => 0);
    failures.fail('first');
    for (let index = 0; index < 10_000; index += 1) failures.fail(`10.${index}`);
    expect(failures.fail('first')).toBe(0);
  });
});

describe('a bearer token', () => {
  it('is read from the header alone, in one form', () => {
    const token = newToken();
    expect(bearerToken(`Bearer ${token}`)).toBe(token);
    expect(bearerToken(`bearer ${token}`)).toBe(token);
    for (const header of [undefined, '', token, `Bearer  ${token}`, `Bearer ${token} x`, 'Bearer null', `Bearer ${token}\n`, `Basic ${token}`])
      expect(bearerToken(header)).toBeUndefined();
  });

  it('is compared whole', () => {
    expect([isSame('ab', 'ab'), isSame('ab', 'abab'), isSame('', ''), isSame('ab', 'ac')]).toEqual([true, false, false, false]);
  });

  it('may do what its scope and the scopes below may', () => {
    const actor = { tokenId: 1, name: 'x', scope: 'operator' } as const;
    expect(() => requireScope(actor, 'viewer')).not.toThrow();
    expect(() => requireScope(actor, 'operator')).not.toThrow();
    expect(() => requireScope(actor, 'admin')).toThrow(/admin/);
  });
});

describe('an error', () => {
  it.each([
    [{ code: '23505' }, 409, 'conflict'],
    [{ code: 'P2002' }, 409, 'conflict'],
    [{ code: '40P01' }, 503, 'busy'],
    [{ code: '22P02' }, 400, 'validation-failed'],
    // Ended by an operator; starting up; too many connections.
    ...['57P01', '57P03', '53300', 'ECONNREFUSED', 'ECONNRESET', 'P1001', 'P2024'].map(
      (sqlState) => [Object.assign(new Error('secret inside'), { code: sqlState }), 503, 'database-away'] as const,
    ),
    [new Error('Connection terminated unexpectedly'), 503, 'database-away'],
    [new Error('secret inside'), 500, 'internal-error'],
    ['a string', 500, 'internal-error'],
    [new ConflictError('no', { code: 'role-cycle' }), 409, 'role-cycle'],
  ])('%j becomes %d %s', (error, status, code) => {
    const problem = problemOf(toAppError(error));
    expect(problem).toMatchObject({ status, code });
    expect(JSON.stringify(problem)).not.toContain('secret inside');
  });

  it('carries no token of a path into the log', () => {
    expect(pathOf('/node/7/bootenv-local/SECRET?x=1')).toBe('/node/7/bootenv-local/[redacted]');
    expect(pathOf('/boot/answers/SECRET/preseed.cfg')).toBe('/boot/answers/[redacted]/preseed.cfg');
  });
});

describe('a page', () => {
  it('begins after a cursor that we gave, and nowhere else', () => {
    expect(pageWindow({ limit: 2, after: '7' })).toEqual({ afterId: 7, take: 3 });
    for (const after of ['x', '-1', '1.5', '2147483648', ' 1']) expect(() => pageWindow({ limit: 2, after })).toThrow(ValidationError);
  });

  it('has a next one only when there is more', () => {
    const make = (rows: number[]) => toPage({ rows, limit: 2, total: 9, cursor: (row) => row, view: (row) => row * 10 });
    expect(make([1, 2, 3])).toEqual({ items: [10, 20], next: '2', total: 9 });
    expect(make([1, 2])).toEqual({ items: [10, 20], next: null, total: 9 });
    expect(make([])).toEqual({ items: [], next: null, total: 9 });
  });
});

describe('a refused input', () => {
  const problemsOf = (schema: z.ZodType, value: unknown) => {
    try {
      parsePart('body', schema, value);
    } catch (error) {
      return error instanceof ValidationError ? error.problems : [];
    }
    return [];
  };

  it('names unknown fields with the allowed ones, also inside', () => {
    const schema = z.strictObject({ a: z.string(), list: z.array(z.strictObject({ b: z.number() })).optional() });
    expect(problemsOf(schema, { a: 'x', c: 1 })).toEqual([{ field: 'c', message: 'unknown field; allowed: a, list' }]);
    expect(problemsOf(schema, { a: 'x', list: [{ b: 1, d: 2 }] })).toEqual([{ field: 'list.0.d', message: 'unknown field; allowed: b' }]);
  });

  it('says what is allowed where a choice is', () => {
    const [problem] = problemsOf(z.strictObject({ action: z.enum(['on', 'off']) }), { action: 'up' });
    expect(problem).toEqual({ field: 'action', message: 'expected one of "on"|"off"' });
  });

  it('tells missing from wrong', () => {
    expect(problemsOf(z.strictObject({ a: z.string() }), {})[0]?.message).toMatch(/^is required/);
    expect(problemsOf(z.strictObject({ a: z.string() }), { a: 1 })[0]?.message).not.toMatch(/required/);
  });

  it('refuses anything where nothing is expected', () => {
    expect(() => parsePart('query', undefined, { x: '1' })).toThrow(/query.x/);
    expect(parsePart('body', undefined, {})).toBeUndefined();
  });
});

describe('a JSON body', () => {
  const send = (text: string | Buffer, headers: Record<string, string> = {}): IncomingMessage => {
    const bytes = Buffer.from(text);
    return Object.assign(Readable.from([bytes]), {
      headers: { 'content-type': 'application/json', 'content-length': String(bytes.length), ...headers },
    }) as unknown as IncomingMessage;
  };
  const limits = { bytes: 100, depth: 3 };

  it('is read up to its limits', async () => {
    expect(await readJsonBody(send('{"a":{"b":[1]}}'), limits)).toEqual({ a: { b: [1] } });
    await expect(readJsonBody(send('{"a":{"b":[[1]]}}'), limits)).rejects.toThrow(/nested deeper than 3/);
    await expect(readJsonBody(send(JSON.stringify('x'.repeat(99))), limits)).rejects.toMatchObject({ status: 413 });
  });

  it('is nothing when there is none', async () => {
    expect(await readJsonBody(send('', { 'content-length': '0' }), limits)).toBeUndefined();
  });

  it('does not quote itself when it is not JSON', async () => {
    const error = await readJsonBody(send('{"password": hunter2}'), limits).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(problemOf(toAppError(error)))).not.toContain('hunter2');
  });
});
