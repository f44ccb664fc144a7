import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClient, type ApiEvent, type Client } from '../../../src/client/client.js';
import { currentPosition } from '../../../src/events/read.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';
import { waitFor } from '../../support/wait-for.js';

describe('the event stream', () => {
  let fixture: ApiFixture;
  let client: Client;
  beforeAll(async () => {
    fixture = await startApi();
    client = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin });
  });
  afterAll(() => fixture.close());

  let stop: AbortController;
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(() => stop.abort());

  /** Follows the stream in the background; the list grows as events come. */
  function follow(from: Client, after?: string): { seen: ApiEvent[]; states: string[]; ended: Promise<unknown> } {
    const seen: ApiEvent[] = [];
    const states: string[] = [];
    const ended = (async () => {
      for await (const event of from.events({ after, signal: stop.signal, onConnection: (state) => states.push(state) })) seen.push(event);
    })().catch((error: unknown) => error);
    return { seen, states, ended };
  }
  const createDeployment = async (name: string): Promise<void> => {
    await client.deployments.create({ name });
    await fixture.sequence();
  };
  const names = (seen: ApiEvent[]): unknown[] => seen.map((event) => (event.type === 'event' ? event.data['name'] : event.type));

  it('tells what happens from the moment of asking on', async () => {
    await createDeployment('before');
    const head = await currentPosition(fixture.db.pool);
    await waitFor(() => fixture.feed.position() >= head, { what: 'the feed to read' });
    const { seen, states } = follow(client);
    await waitFor(() => states.includes('open'), { what: 'the stream to open' });
    await createDeployment('after-1');
    await waitFor(() => seen.length > 0, { what: 'an event' });
    expect(names(seen)).toEqual(['after-1']);
    expect(seen[0]).toMatchObject({ kind: 'deployment-created', subject_type: 'deployment', at: expect.any(String) });
  });

  it('goes on after a cursor without a gap or a repetition, also from within a batch', async () => {
    const { seen, states } = follow(client);
    await waitFor(() => states.includes('open'), { what: 'the stream to open' });
    await client.nodes.create({ name: 'n1.test' });
    await client.nodeRoles.bind({ role: 'dhcp-database', node: 'n1.test' });
    await createDeployment('cursor-end');
    await waitFor(() => names(seen).includes('cursor-end'), { what: 'all events' });
    for (const from of seen.slice(0, -1)) {
      const again = follow(client, from.id);
      await waitFor(() => names(again.seen).includes('cursor-end'), { what: `the rest after ${from.id}` });
      expect(again.seen.map((event) => event.id)).toEqual(seen.slice(seen.indexOf(from) + 1).map((event) => event.id));
    }
  });

  it('follows a matrix from its position on', async () => {
    const { pos } = await client.deployments.matrix('system');
    await createDeployment('after-matrix');
    const { seen } = follow(client, pos);
    await waitFor(() => names(seen).includes('after-matrix'), { what: 'the event after the matrix' });
    expect(names(seen)).toEqual(['after-matrix']);
  });

  it.each(['deadbeef.1.0', 'not-a-cursor', 'EPOCH.999999.0'])('says reset to the cursor "%s", then goes on from now', async (cursor) => {
    const { seen, states } = follow(client, cursor.replace('EPOCH', fixture.feed.epoch()));
    await waitFor(() => states.includes('open') && seen.length > 0, { what: 'a reset' });
    expect(seen[0]?.type).toBe('reset');
    await createDeployment(`after-reset-${cursor.replaceAll('.', '-').toLowerCase()}`);
    await waitFor(() => seen.length > 1, { what: 'an event after the reset' });
    expect(seen[1]?.type).toBe('event');
  });

  it('takes the cursor from Last-Event-ID as well, which wins', async () => {
    const { pos } = await client.deployments.matrix('system');
    await createDeployment('by-header');
    const answer = await fetch(`${fixture.baseUrl}${API}/events?after=deadbeef.1.0`, {
      headers: { authorization: `Bearer ${fixture.tokens.viewer}`, 'last-event-id': pos },
      signal: stop.signal,
    });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const reader = answer.body?.getReader();
    let text = '';
    while (!text.includes('by-header')) text += new TextDecoder().decode((await reader?.read())?.value);
    expect(text).not.toContain('event: reset');
    expect(text).toMatch(/id: [^.]+\.\d+\.\d+\nevent: deployment-created\ndata: \{/);
  });

  it('refuses without a token, and the client does not ask again', async () => {
    const { ended } = follow(createClient({ baseUrl: fixture.baseUrl, token: 'x'.repeat(43) }));
    expect(await ended).toMatchObject({ name: 'ClientError', status: 401, code: 'unauthorized' });
  });
});

describe('an event stream that is cut', () => {
  it('is taken up again where it was, when the server comes back', async () => {
    const fixture = await startApi();
    const stop = new AbortController();
    let isCut = false;
    const sockets: AbortController[] = [];
    // The wire is cut in the middle of the stream, and for a while nobody answers.
    const wire: typeof fetch = async (input, init) => {
      if (isCut) throw new TypeError('fetch failed');
      const cut = new AbortController();
      sockets.push(cut);
      return await fetch(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, cut.signal]) : cut.signal });
    };
    const client = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin, fetch: wire });
    const direct = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin });
    const seen: unknown[] = [];
    const states: string[] = [];
    const following = (async () => {
      for await (const event of client.events({ signal: stop.signal, onConnection: (state) => states.push(state) }))
        if (event.type === 'event') seen.push(event.data['name']);
    })();
    try {
      await waitFor(() => states.includes('open'), { what: 'the stream to open' });
      isCut = true;
      for (const cut of sockets) cut.abort();
      await waitFor(() => states.includes('lost'), { what: 'the loss to be noticed' });
      await direct.deployments.create({ name: 'while-cut' });
      await fixture.sequence();
      isCut = false;
      await waitFor(() => seen.length > 0, { what: 'the event that came while it was cut' });
      expect(seen).toEqual(['while-cut']);
    } finally {
      stop.abort();
      await following;
      await fixture.close();
    }
  });

  it('ends at once when the server stops', async () => {
    const fixture = await startApi();
    const answer = await fetch(`${fixture.baseUrl}${API}/events`, { headers: { authorization: `Bearer ${fixture.tokens.admin}` } });
    const text = answer.text();
    await fixture.api.close();
    expect(await text).toContain('the server stops');
    await fixture.close();
  });
});
