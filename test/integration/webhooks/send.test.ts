import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { addressPolicy } from '../../../src/webhooks/address-policy.js';
import { send } from '../../../src/webhooks/send.js';
import { startHttpReceiver, type HttpReceiver } from '../../support/http-receiver.js';

let receiver: HttpReceiver;
beforeEach(async () => void (receiver = await startHttpReceiver()));
afterEach(() => receiver.close());

const strict = addressPolicy({ allow: [], bmc: ['10.9.0.0/16'] });
const loopbackAllowed = addressPolicy({ allow: ['127.0.0.0/8'], bmc: [] });
const post = (url: string, more: Partial<Parameters<typeof send>[0]> = {}) => send({ url, headers: {}, body: '{}', policy: strict, timeoutMs: 2_000, ...more });

describe('one attempt of a webhook', () => {
  it.each([
    ['loopback', 'http://127.0.0.1:PORT/'],
    ['loopback in a form that only URLs know', 'http://0x7f.1:PORT/'],
    ['loopback as a number', 'http://2130706433:PORT/'],
    ['loopback over IPv6', 'http://[::1]:PORT/'],
    ['loopback, mapped', 'http://[::ffff:127.0.0.1]:PORT/'],
    ['this host', 'http://0.0.0.0:PORT/'],
    ['a name that resolves to loopback', 'http://localhost:PORT/'],
    ['the metadata service', 'http://169.254.169.254/latest/meta-data/'],
    ['the BMC network', 'http://10.9.1.1/'],
  ])('does not speak to %s', async (_what, url) => {
    expect(await post(url.replace('PORT', String(receiver.port)))).toMatchObject({ kind: 'refused' });
    expect(receiver.received).toEqual([]);
  });

  it('refuses a name of which any address is refused, whichever comes first', async () => {
    const resolve = () =>
      Promise.resolve([
        { address: '203.0.113.9', family: 4 },
        { address: '::1', family: 6 },
      ]);
    expect(await post('http://two-faces.test/', { resolve })).toMatchObject({ kind: 'refused', error: expect.stringContaining('::1') });
  });

  it('connects to the very address that was checked: the name is not asked again (DNS rebinding)', async () => {
    let asked = 0;
    const resolve = () => {
      asked += 1;
      // The second answer would be the attack.
      return Promise.resolve([{ address: asked === 1 ? '127.0.0.1' : '127.0.0.9', family: 4 }]);
    };
    const attempt = await post(`http://rebind.test:${receiver.port}/x`, { resolve, policy: loopbackAllowed });
    expect(attempt).toMatchObject({ kind: 'answered', status: 200 });
    expect(asked).toBe(1);
    expect(receiver.received[0]?.headers.host).toBe(`rebind.test:${receiver.port}`);
  });

  it('does not follow a redirect', async () => {
    receiver.answer = (res) => res.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    expect(await post(receiver.url, { policy: loopbackAllowed })).toMatchObject({ kind: 'answered', status: 302 });
    expect(receiver.received).toHaveLength(1);
  });

  it('reads the head of a large answer and no more', async () => {
    receiver.answer = (res) => {
      const chunk = Buffer.alloc(65_536, 'x');
      const more = () => void (res.destroyed || res.write(chunk, () => setImmediate(more)));
      more();
    };
    const attempt = await post(receiver.url, { policy: loopbackAllowed });
    expect(attempt).toMatchObject({ kind: 'answered', status: 200, response: 'x'.repeat(2048) });
  });

  it.each([
    ['answers nothing', () => undefined],
    ['answers a byte now and then', (res: { write(text: string): unknown; flushHeaders(): void }) => (res.flushHeaders(), void res.write('.'))],
  ])('gives up on an endpoint that %s, when the time is over', async (_what, answer) => {
    receiver.answer = answer;
    expect(await post(receiver.url, { policy: loopbackAllowed, timeoutMs: 200 })).toMatchObject({ kind: 'no-answer', error: 'no answer within 0.2 s' });
  });

  it('gives up on a name that takes too long to resolve', async () => {
    expect(await post('http://slow.test/', { resolve: () => new Promise(() => undefined), timeoutMs: 100 })).toMatchObject({ kind: 'no-answer' });
  });

  it('says why when nobody listens, and when the name does not exist', async () => {
    await receiver.close();
    expect(await post(receiver.url, { policy: loopbackAllowed })).toMatchObject({ kind: 'no-answer', error: expect.stringContaining('ECONNREFUSED') });
    const resolve = () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND gone.test'), { code: 'ENOTFOUND' }));
    expect(await post('http://gone.test/', { resolve })).toMatchObject({ kind: 'no-answer', error: 'getaddrinfo ENOTFOUND gone.test' });
    receiver = await startHttpReceiver();
  });
});
