/**
 * The DHCP parser and everything the server decides from its result, in the server's order, without sockets and rows:
 * parse, who, which link, decision, boot file, reply, bytes, destination. The lease book is the server's own and lives on.
 */
import { strict as assert } from 'node:assert';
import type { Random } from '../../test/support/random.js';
import { composeAnswer, type ServerSettings, type Statement } from '../../src/dhcp/answer.js';
import { DEFAULT_LOADERS } from '../../src/dhcp/bootfile.js';
import { BootpOp, MessageType, OptionCode } from '../../src/dhcp/codes.js';
import type { Decision } from '../../src/dhcp/decision.js';
import { ownerOf } from '../../src/dhcp/identity.js';
import { LeaseBook } from '../../src/dhcp/lease-book.js';
import { MAC_TEXTS_MAX, macText } from '../../src/dhcp/mac-texts.js';
import { parsePacket, type DhcpPacket } from '../../src/dhcp/packet.js';
import { UnknownQuota } from '../../src/dhcp/quota.js';
import { replyLimitBytes } from '../../src/dhcp/reply.js';
import { ReplyTemplates } from '../../src/dhcp/reply-templates.js';
import { decide } from '../../src/dhcp/respond.js';
import { situate, type Knowledge, type Situation } from '../../src/dhcp/situation.js';
import { subnetContains } from '../../src/shared/ipv4.js';
import { dhcpPackets } from './dhcp-packets.js';
import { ENDPOINT, KNOWN, NETWORKS, POOL_SIZE } from './dhcp-world.js';
import type { Target } from './target.js';

const LEASE_MS = 600_000;
const SETTINGS: ServerSettings = { bootHost: undefined, bootHttpPort: 8191, loaders: DEFAULT_LOADERS, servesDns: false };
/** The server's own way to the reply. */
const TEMPLATES = new ReplyTemplates(SETTINGS);
const HEARD = { localAddress: ENDPOINT, localPort: 67, sourceAddress: 0, sourcePort: 68 };

export function dhcpTarget(random: Random): Target {
  rememberMacs();
  const book = new LeaseBook();
  const quota = new UnknownQuota();
  const next = dhcpPackets(random, KNOWN);
  let nowMs = 0;
  return {
    next,
    take(bytes) {
      nowMs += random.below(500);
      if (random.chance(0.001)) book.sweep(nowMs);
      const parsed = parsePacket(bytes);
      if (!parsed.ok) return false;
      const knowledge: Knowledge = { networks: NETWORKS, entryOf: () => undefined, book, quota, serverIds: [ENDPOINT], minSecs: 0, nowMs };
      return answer(parsed.value, bytes.length, knowledge, random.chance(0.1));
    },
  };
}

/** What the server remembers is full before its memory is judged: random addresses would fill it slowly. */
function rememberMacs(): void {
  const mac = Buffer.alloc(6);
  for (let n = 0; n < MAC_TEXTS_MAX; n += 1) {
    mac.writeUIntBE(n, 3, 3);
    macText(mac, mac.length);
  }
}

function answer(packet: DhcpPacket, receivedBytes: number, knowledge: Knowledge, isBootServer: boolean): boolean {
  const situation = situate(packet, { ...HEARD, isBootServer }, knowledge);
  if ('reason' in situation) return false;
  const decision = decide(situation);
  const reply = replyOf(decision);
  if (reply === undefined) {
    forget(decision, situation);
    return false;
  }
  if (decision.kind === 'offer' || decision.kind === 'acknowledge') assertMayHave(decision.address, situation);
  remember(decision, situation);
  const isLease = decision.kind === 'offer' || decision.kind === 'acknowledge';
  const statement: Statement = {
    ...reply,
    leaseSeconds: isLease ? situation.network.leaseSeconds : undefined,
    isBootOnly: decision.kind === 'boot',
    ...(decision.kind === 'refuse' ? { message: decision.reason } : {}),
  };
  const composed = composeAnswer(situation, statement, SETTINGS, true);
  assert.ok(composed.ok, 'the reply can be written');
  assertSound(composed.value.bytes, packet, reply, Math.max(replyLimitBytes(packet), 300), receivedBytes);
  const sent = TEMPLATES.reply(situation, statement, true);
  assert.ok(sent.ok && sent.value.bytes.equals(composed.value.bytes), 'a template gives the bytes that are built');
  const { address, port } = composed.value.destination;
  assert.ok(port > 0 && (address !== 0 || isBootServer), 'the reply goes somewhere');
  return true;
}

type Reply = { readonly type: MessageType | undefined; readonly address: number };

/** The message type of each decision that is answered; BOOTP has none. */
const REPLY_TYPES: ReadonlyMap<string, MessageType | undefined> = new Map([
  ['offer', MessageType.offer],
  ['acknowledge', MessageType.ack],
  ['refuse', MessageType.nak],
  ['inform', MessageType.ack],
  ['bootp', undefined],
]);

function replyOf(decision: Decision): Reply | undefined {
  if (decision.kind === 'boot') return { type: decision.type, address: 0 };
  if (!REPLY_TYPES.has(decision.kind)) return undefined;
  const givesAddress = decision.kind === 'offer' || decision.kind === 'acknowledge' || decision.kind === 'bootp';
  return { type: REPLY_TYPES.get(decision.kind), address: givesAddress ? decision.address : 0 };
}

/** What an address given to a machine must be, whatever was asked for. */
function assertMayHave(address: number, { network, client, identity, reserved, knowledge }: Situation): void {
  assert.ok(subnetContains(network.subnet, address), 'the address is of the network');
  assert.notEqual(address, ENDPOINT, 'the server gives its own address to nobody');
  const reservedFor = network.reservationByAddress.get(address);
  assert.ok(reservedFor === undefined || reserved?.address === address, 'a reserved address is given to its machine only');
  assert.ok(reservedFor === undefined || reservedFor === client.mac, 'a reserved address is given by hardware address');
  const holder = knowledge.book.holderOf(address, knowledge.nowMs);
  const isOwn = holder !== undefined && identity !== undefined && ownerOf(holder) === ownerOf(identity);
  assert.ok(holder === undefined || holder.state === 'declined' || isOwn, 'an address with a holder is given to nobody else');
  assert.ok(holder?.state !== 'declined' || reservedFor === client.mac, 'a declined pool address rests');
}

/** The answer as its reader sees it. RFC 2131 table 3, RFC 3046 section 2.2. */
function assertSound(bytes: Buffer, request: DhcpPacket, reply: Reply, limit: number, receivedBytes: number): void {
  const read = parsePacket(bytes);
  assert.ok(read.ok, 'the reply can be read');
  const { value } = read;
  const echoed = request.options.get(OptionCode.relayAgentInformation);
  // Option 82 is never cut for size (RFC 3046 section 2.2.1): a relay that sent more than fits gets more than the limit back.
  assert.ok(bytes.length <= Math.max(limit, receivedBytes + 300), `the reply of ${bytes.length} bytes fits ${limit}`);
  assert.equal(value.op, BootpOp.reply);
  assert.equal(value.transactionId, request.transactionId);
  assert.equal(value.yourIpAddress, reply.address);
  assert.deepEqual(value.options.get(OptionCode.messageType), reply.type === undefined ? undefined : Buffer.from([reply.type]));
  assert.ok(value.clientHardwareAddress.equals(request.clientHardwareAddress), 'chaddr comes back');
  if (echoed !== undefined) assert.ok(value.options.get(OptionCode.relayAgentInformation)?.equals(echoed), 'option 82 comes back');
}

/** The book changes as the server changes it once a row is written. */
function remember(decision: Decision, { network, identity, knowledge }: Situation): void {
  const { book, nowMs } = knowledge;
  if (identity === undefined) return;
  if (decision.kind === 'offer') book.holdOffer({ ...identity, address: decision.address, networkId: network.id, expiresAtMs: nowMs + 30_000 });
  if (decision.kind === 'acknowledge') {
    book.put({ ...identity, address: decision.address, networkId: network.id, state: 'active', expiresAtMs: nowMs + LEASE_MS });
  }
  const { leases, offers } = book.size();
  assert.ok(leases <= POOL_SIZE && offers <= POOL_SIZE, `the book holds ${leases} leases and ${offers} offers, the networks only ${POOL_SIZE} addresses`);
}

function forget(decision: Decision, { network, identity, knowledge }: Situation): void {
  const { book, nowMs } = knowledge;
  if (decision.kind === 'release') book.forget(decision.address);
  if (identity === undefined) return;
  if (decision.kind === 'decline' && !decision.isReserved) {
    book.put({ ...identity, address: decision.address, networkId: network.id, state: 'declined', expiresAtMs: nowMs + LEASE_MS });
  }
  if (decision.kind === 'ignore' && decision.reason === 'other-server') book.dropOffer(network.id, ownerOf(identity));
}
