/** `/dhcp/ask` and `/dhcp/explain`: what we answer to a message, rule by rule. Nothing is promised or sent. */
import { askPacket, hearingAddress, reactTo, type Reaction } from '../../bootwatch/ask.js';
import { explainCapture } from '../../bootwatch/explain.js';
import { readKnowledge, readServerSettings } from '../../bootwatch/knowledge.js';
import type { Config } from '../../config/config.js';
import type { Db } from '../../db/client.js';
import { parsePacket } from '../../dhcp/packet.js';
import type { Knowledge } from '../../dhcp/situation.js';
import { ValidationError } from '../../shared/errors.js';
import { formatIpv4, parseIpv4 } from '../../shared/ipv4.js';
import { formatMac } from '../../shared/mac.js';
import * as d from '../dhcp-ask-schemas.js';
import { defineRoute, type Route } from '../route.js';

const tag = 'dhcp';
type Deps = { db: Db; config: Pick<Config, 'bootHost' | 'bootHttpPort' | 'interfaces'> };

export function dhcpAskRoutes({ db, config }: Deps): Route[] {
  const own = [parseIpv4(config.bootHost) ?? 0];
  return [
    defineRoute({
      method: 'post',
      path: '/dhcp/ask',
      scope: 'viewer',
      tag,
      summary: 'What we would answer to a client, and how that is decided; nothing is promised',
      body: d.dhcpAskSchema,
      answer: d.reactionSchema,
      async handle({ body }) {
        const [knowledge, server] = await Promise.all([readKnowledge(db, [body.mac], own), readServerSettings(db, config)]);
        const relay = parseIpv4(body.relay ?? '') ?? 0;
        const network = networkNamed(knowledge, body.network);
        const packet = askPacket({
          mac: body.mac,
          type: body.type,
          arch: body.arch,
          vendor: body.vendor ?? vendorClassOf(body.arch),
          userClass: body.user_class,
          requested: parseIpv4(body.requested ?? ''),
          secs: body.secs,
          maximumBytes: body.maximum_bytes,
          relay,
          options: new Map(Object.entries(body.options).map(([code, hex]) => [Number(code), Buffer.from(hex, 'hex')])),
        });
        const localAddress = network === undefined || relay !== 0 ? (own[0] ?? 0) : hearingAddress(network, own);
        const arrival = { localAddress, localPort: 67, isBootServer: body.port === 4011, sourceAddress: relay, sourcePort: relay === 0 ? 68 : 67 };
        return viewReaction(reactTo(packet, arrival, knowledge, server));
      },
    }),
    defineRoute({
      method: 'post',
      path: '/dhcp/explain',
      scope: 'viewer',
      tag,
      summary: 'Explain captured DHCP packets: what each says, what we would answer, and the byte that made a client give up',
      body: d.dhcpExplainSchema,
      answer: d.dhcpExplainedSchema,
      async handle({ body }) {
        const captured = body.packets.map((packet) => ({
          atMs: packet.at,
          source: parseIpv4(packet.source) ?? 0,
          sourcePort: packet.source_port,
          destination: parseIpv4(packet.destination) ?? 0,
          destinationPort: packet.destination_port,
          bytes: Buffer.from(packet.bytes, 'base64'),
        }));
        const macs = captured
          .map(({ bytes }) => parsePacket(bytes))
          .flatMap((read) => (read.ok ? [formatMac(read.value.clientHardwareAddress, read.value.hardwareLength)] : []));
        const [knowledge, server] = await Promise.all([readKnowledge(db, [...new Set(macs)], own), readServerSettings(db, config)]);
        const { packets, verdicts } = explainCapture(captured, knowledge, server);
        return {
          packets: packets.map(({ atMs, ours, complaints, ...rest }) => ({
            ...rest,
            at: atMs,
            ours: ours === null ? null : viewReaction(ours),
            complaints: [...complaints],
          })),
          verdicts,
        };
      },
    }),
  ];
}

/** The network an operator named. Throws ValidationError with the names there are. */
function networkNamed(knowledge: Knowledge, name: string | undefined) {
  if (name === undefined) return knowledge.networks[0];
  const found = knowledge.networks.find((network) => network.name === name);
  if (found !== undefined) return found;
  const names = knowledge.networks.map((network) => `${network.name} (${formatIpv4(network.subnet.first)}/${network.subnet.prefix})`).join(', ');
  throw new ValidationError(`there is no network ${name}`, [{ field: 'network', message: `choose among ${names || 'none: add one first'}` }]);
}

/** What firmware of this architecture calls itself. PXE 2.1 section 2.2.1; UEFI 2.10 section 24.7.2.1. */
function vendorClassOf(arch: number | undefined): string | undefined {
  if (arch === undefined) return undefined;
  const program = (arch >= 15 && arch <= 20) || arch === 23 || arch === 24 ? 'HTTPClient' : 'PXEClient';
  return `${program}:Arch:${String(arch).padStart(5, '0')}:UNDI:003016`;
}

function viewReaction({ network, decision, rules, reply }: Reaction): d.Reaction {
  return {
    network,
    decision,
    rules: rules.map(({ rule, source, value }) => ({ rule, source, value })),
    reply: reply === null ? null : { words: reply.words, bytes: reply.bytes, left_out: [...reply.leftOut], to: reply.to },
  };
}
