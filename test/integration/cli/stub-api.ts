/**
 * A small real HTTP server that answers like the API, for the CLI's tests: what a test puts into `answers` is what is answered. The real app is tested
 * in test/integration/api; here the subject is what the CLI makes of an answer.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** Method and path to an answer; a function sees the body. A status other than 200 stands beside it. */
export type StubAnswer = { status?: number; body?: unknown };
export type StubRequest = { method: string; path: string; query: URLSearchParams; body: unknown };

export type StubApi = {
  url: string;
  answers: Map<string, StubAnswer | ((request: StubRequest) => StubAnswer)>;
  requests: StubRequest[];
  /** Sends an event to every open stream. */
  emit: (event: Record<string, unknown>) => void;
  /** Event streams that are open. */
  streams: () => number;
  close: () => Promise<void>;
};

export const TOKEN = 'a-token-of-the-test';

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}

function problem(status: number, code: string, detail: string): StubAnswer {
  return { status, body: { type: 'about:blank', title: code, status, detail, code } };
}

/** Starts it on a free port of loopback. */
export async function startStubApi(): Promise<StubApi> {
  const answers: StubApi['answers'] = new Map();
  const requests: StubRequest[] = [];
  const streams = new Set<ServerResponse>();
  let position = 0;

  function answerTo(request: StubRequest, authorization: string | undefined): StubAnswer {
    if (authorization !== `Bearer ${TOKEN}`) return problem(401, 'unauthorized', 'the token is not known');
    const found = answers.get(`${request.method} ${request.path}`);
    if (found === undefined) return problem(404, 'not-found', `no thing at '${request.path}'`);
    return typeof found === 'function' ? found(request) : found;
  }

  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      if (url.pathname === '/api/v2/events' && request.headers.authorization === `Bearer ${TOKEN}`) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(': open\n\n');
        streams.add(response);
        response.on('close', () => streams.delete(response));
        return;
      }
      const seen = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        body: await readBody(request),
      };
      requests.push(seen);
      const { status = 200, body } = answerTo(seen, request.headers.authorization);
      if (body === undefined) response.writeHead(204).end();
      else
        response
          .writeHead(status, {
            'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
          })
          .end(JSON.stringify(body));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    answers,
    requests,
    streams: () => streams.size,
    emit: (event) => {
      position += 1;
      for (const stream of streams) stream.write(`id: 1.${position}.0\nevent: ${String(event.kind)}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
