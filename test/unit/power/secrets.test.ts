import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { secretsOf } from '../../../src/power/secrets.js';

describe('secrets', () => {
  it('gives back what it encrypted, each time in another form', () => {
    const secrets = secretsOf(randomBytes(32));
    const stored = secrets.encrypt('calvin ü');
    expect(secrets.decrypt(stored).reveal()).toBe('calvin ü');
    expect(secrets.encrypt('calvin ü')).not.toBe(stored);
  });

  it('does not show itself', () => {
    const secrets = secretsOf(randomBytes(32));
    const secret = secrets.decrypt(secrets.encrypt('calvin'));
    expect(`${String(secret)} ${JSON.stringify({ secret })} ${inspect({ secret })}`).not.toContain('calvin');
  });

  it('says so when the key is another or the text was changed', () => {
    const secrets = secretsOf(randomBytes(32));
    const stored = secrets.encrypt('calvin');
    expect(() => secretsOf(randomBytes(32)).decrypt(stored)).toThrow('cannot be read with the key');
    expect(() => secrets.decrypt(`${stored.slice(0, -4)}AAAA`)).toThrow('cannot be read with the key');
    expect(() => secrets.decrypt('nonsense')).toThrow('cannot be read with the key');
  });

  it('has an empty secret', () => expect(secretsOf(randomBytes(32)).decrypt('').reveal()).toBe(''));
});
