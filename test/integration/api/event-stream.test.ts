import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { streamEvents, type StreamInput } from '../../../src/api/event-stream.js';
import type { PublishedEvent } from '../../../src/events/events.js';
import type { EventFeed, Subscriber } from '../../../src/events/feed.js';
import { waitFor } from '../../support/wait-for.js';

/** A feed whose events the test makes. */
function testFeed(): EventFeed & { deliver: Subscriber; readers(): number } {
  const subscribers = new Set<Subscriber>();
  return {
    start: async () => undefined,
    subscribe(_from, deliver) {
      subscribers.add(deliver);
      return () => subscribers.delete(deliver);
    },
    position: () => 7,
    epoch: () => 'e',
    idOf: (event) => `e.${event.pos}.${event.n}`,
    resume: async () => undefined,
    onHint: () => () => undefined,
    close: async () => undefined,
    async deliver(events) {
      for (const subscriber of subscribers) await subscriber(events);
    },
    readers: () => subscribers.size,
  };
}

const event = (pos: number, text: string): PublishedEvent => ({
  pos,
  n: 0,
  at: new Date(0),
  kind: 'node-changed',
  subjectType: 'node',
  subjectId: 1,
  version: 1,
  causeDepth: 0,
  data: { text },
});

describe('a reader of the event stream', () => {
  let server: Server;
  let feed: ReturnType<typeof testFeed>;
  let isAllowed: boolean;
  const start = async (timing: NonNullable<StreamInput['timing']>): Promise<number> => {
    const app = express().get('/', (_req, res) =>
      streamEvents({ feed, res, cursor: undefined, closing: new AbortController().signal, isStillAllowed: async () => isAllowed, timing }),
    );
    server = createServer(app).listen(0, '127.0.0.1');
    await waitFor(() => server.listening, { what: 'the server to listen' });
    return (server.address() as AddressInfo).port;
  };
  beforeEach(() => {
    feed = testFeed();
    isAllowed = true;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('attack 39: is cut off when its token is revoked', async () => {
    const port = await start({ heartbeatMs: 10, drainMs: 1000 });
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    const text = answer.text();
    await waitFor(() => feed.readers() === 1, { what: 'the subscription' });
    isAllowed = false;
    expect(await text).toMatch(/^id: e\.7\.\d+\n\n(:\n\n)*$/);
    expect(feed.readers()).toBe(0);
  });

  it('is dropped with reset when it does not keep up, and holds back nobody', async () => {
    const port = await start({ heartbeatMs: 60_000, drainMs: 50 });
    // Asks and never reads: the kernel's buffers fill, then ours.
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.pause();
    await waitFor(() => feed.readers() === 1, { what: 'the subscription' });
    const big = 'x'.repeat(1024 * 1024);
    for (let pos = 8; feed.readers() > 0 && pos < 100; pos += 1) await feed.deliver([event(pos, big)]);
    expect(feed.readers()).toBe(0);
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => (text = (text + part).slice(-200)));
    socket.resume();
    await waitFor(() => text.includes('event: reset'), { what: 'the reset at the end' });
    socket.destroy();
  });
});
