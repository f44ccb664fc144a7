/** One message over TCP: a transfer for a named secondary, otherwise the same answer as over UDP, whole. */
import type { Logger } from 'pino';
import { composeAnswer, prepareCode } from './answer.js';
import type { Clients } from './clients.js';
import { Rcode, RecordType } from './codes.js';
import type { DnsCounters } from './counters.js';
import type { Forwarder } from './forward.js';
import { keyText } from './name.js';
import { parseQuery, type Query } from './query.js';
import type { Responder } from './responder.js';
import type { TcpConnection } from './tcp.js';
import { transferMessages } from './transfer.js';

export type TcpContext = { responder: Responder; forwarder: Forwarder; clients: Clients; counters: DnsCounters; logger: Logger };

/** Rejects when the client is gone. */
export async function answerOverTcp(context: TcpContext, request: Buffer, client: string, connection: TcpConnection): Promise<void> {
  const { responder, forwarder, clients, counters } = context;
  counters.tcpQueries += 1;
  const parsed = parseQuery(request);
  if (parsed.ok && (parsed.value.type === RecordType.AXFR || parsed.value.type === RecordType.IXFR))
    return transfer(context, { request, query: parsed.value }, client, connection);
  const mayForward = forwarder.isConfigured && clients.has(client);
  const manner = { transport: 'tcp', recursionAvailable: mayForward } as const;
  const response = responder.respond(request, { ...manner, mayForward });
  // Over TCP a message that is none ends the conversation: the rest cannot be told apart from it.
  if (response.kind === 'silence') throw new Error('no DNS query');
  if (response.kind === 'reply') {
    counters.replies += 1;
    return connection.write(response.bytes);
  }
  counters.forwarded += 1;
  const answer = await forwarder.ask(request, response.query, 'tcp');
  if (answer === undefined) counters.forwardFailed += 1;
  return connection.write(answer ?? composeAnswer(request, response.query, prepareCode(response.query, Rcode.ServFail), manner));
}

async function transfer(
  { responder, counters, logger }: TcpContext,
  { request, query }: { request: Buffer; query: Query },
  client: string,
  connection: TcpConnection,
): Promise<void> {
  const zones = responder.zones();
  const zone = zones.zone(query.name);
  const isNamed = zone?.settings.secondaries.some((secondary) => secondary.address === client) === true;
  logger.info({ zone: keyText(query.name), client, allowed: isNamed }, 'zone transfer asked for');
  if (zone === undefined || !isNamed) {
    counters.transfersRefused += 1;
    return connection.write(composeAnswer(request, query, prepareCode(query, Rcode.Refused), { transport: 'tcp', recursionAvailable: false }));
  }
  counters.transfers += 1;
  // Made before the first is sent: a change while a slow client reads must not mix two serials in one transfer.
  for (const message of [...transferMessages(zone, zones.serial, request, query)]) await connection.write(message);
}
