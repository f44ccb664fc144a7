import { describe, expect, it } from '@jest/globals';
import { failureClass, failureOf } from '../../../src/noderoles/failure-class.js';
import { ConflictError, UpstreamError } from '../../../src/shared/errors.js';

describe('the class of a failure', () => {
  it.each([
    ['a refused BMC password, which more tries would lock', { code: 'bmc-credentials', retryable: false }, 'final'],
    ['a BMC that does not answer', { code: 'upstream-failed', retryable: true }, 'retryable'],
    ['a connection that is refused', { code: 'ECONNREFUSED' }, 'retryable'],
    ['no file handles left', { code: 'EMFILE' }, 'infrastructure'],
    ['a database that goes down', { code: '57P01' }, 'infrastructure'],
    ['a deadlock that retries did not end', { code: '40P01' }, 'infrastructure'],
    ['a value the database refuses', { code: '22P02', retryable: false }, 'final'],
    ['boot servers of ours that do not serve', { code: 'not-served', retryable: true }, 'infrastructure'],
    ['a command that was not sent because the lease was over', { code: 'lease-over', retryable: false }, 'infrastructure'],
    ['a script that says nothing by its status', { code: 'exit-status', retryable: true, exitStatus: 1 }, 'retryable'],
    ['a script whose command is not found', { code: 'exit-status', retryable: true, exitStatus: 127 }, 'final'],
    ['a script that says: wrong configuration', { code: 'exit-status', retryable: true, exitStatus: 78 }, 'final'],
    ['a script that says: later', { code: 'exit-status', retryable: true, exitStatus: 75 }, 'retryable'],
    ['a code of its own that a jig calls final', { code: 'mine', retryable: false }, 'final'],
    ['a code of its own that a jig calls retryable', { code: 'mine', retryable: true }, 'retryable'],
    ['a code that the table calls final and the jig does not', { code: 'unexpected-boot', retryable: true }, 'retryable'],
    ['a code that names a method of objects', { code: 'constructor' }, 'retryable'],
  ] as const)('of %s', (_what, failure, expected) => {
    expect(failureClass(failure)).toBe(expected);
  });

  it('is read from what was thrown, or from what caused it', () => {
    expect(failureOf(new UpstreamError('no answer'))).toEqual({ code: 'upstream-failed', message: 'no answer', retryable: true });
    expect(failureOf(new ConflictError('no', { code: 'no-such-driver' }))).toMatchObject({ code: 'no-such-driver', retryable: false });
    expect(failureOf(new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }))).toEqual({
      code: 'ECONNREFUSED',
      message: 'fetch failed',
    });
    expect(failureOf(new Error('odd'))).toEqual({ code: 'jig-threw', message: 'odd' });
    expect(failureOf('text')).toEqual({ code: 'jig-threw', message: 'text' });
  });
});
