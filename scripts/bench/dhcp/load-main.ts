/**
 * A relay with many machines behind it: DISCOVER, OFFER, REQUEST, ACK over one UDP socket, as UEFI firmware sends them. Told by
 * `load` messages what to do (LoadOrder), answers each with a `result` message (LoadResult). A process of its own, so that what it
 * costs is not counted as the server's and does not stand in the way of its event loop.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { LoadOrder, LoadResult } from './load.js';
import { ADDRESS_AT, discoverTemplate, ExchangeState, MAC_AT, readReply, requestTemplate, SERVER_AT, writeMac, XID_AT } from './exchange-bytes.js';

const BUFFER_BYTES = 16 * 1024 * 1024;
/** An exchange without its ACK after this is lost. RFC 2131 has clients wait 4 s before they ask again. */
const LOST_MS = 1_000;
const TICK_MS = 1;
/** Exchanges remembered at once; more than are ever under way. */
const SLOTS = 1 << 16;

const [host = '', port = '0'] = process.argv.slice(2);
// Addresses only: Node's own lookup would put each datagram off to the next tick.
const socket = createSocket({ type: 'udp4', lookup: (address, _options, done) => done(null, address, 4) });
const listening = once(socket, 'listening'); // with this lookup it is said at once
socket.bind({ address: host, port: Number(port) });
await listening;
socket.setRecvBufferSize(BUFFER_BYTES);
socket.setSendBufferSize(BUFFER_BYTES);

const startedAt = new Float64Array(SLOTS);
const states = new Uint8Array(SLOTS);
let run: { order: LoadOrder; onDone: (slot: number, isLost: boolean) => void } | undefined;

const discover = discoverTemplate(host);
const request = requestTemplate(host);
// The kernel has the bytes when send's callback runs; a ring of buffers is cheaper than a copy each.
const RING = 4096;
const ring = Array.from({ length: RING }, () => Buffer.alloc(Math.max(discover.length, request.length)));
let ringAt = 0;
let lastXid = (Date.now() & 0x7fff) << 16;
const xidOfSlot = new Uint32Array(SLOTS);

function send(template: Buffer, order: LoadOrder, fill: (bytes: Buffer) => void): void {
  const bytes = ring[ringAt++ % RING];
  template.copy(bytes);
  fill(bytes);
  socket.send(bytes, 0, template.length, order.port, order.host);
}

function begin(order: LoadOrder, client: number): void {
  lastXid = (lastXid + 1) >>> 0;
  const slot = lastXid % SLOTS;
  const xid = lastXid;
  xidOfSlot[slot] = xid;
  states[slot] = ExchangeState.discovering;
  startedAt[slot] = performance.now();
  send(discover, order, (bytes) => {
    bytes.writeUInt32BE(xid, XID_AT);
    writeMac(bytes, order.firstClient + client);
  });
}

socket.on('message', (bytes) => {
  if (run === undefined) return;
  const reply = readReply(bytes);
  if (reply === undefined) return;
  const slot = reply.xid % SLOTS;
  if (xidOfSlot[slot] !== reply.xid) return;
  if (reply.type === 2 && states[slot] === ExchangeState.discovering) {
    states[slot] = ExchangeState.requesting;
    send(request, run.order, (out) => {
      out.writeUInt32BE(reply.xid, XID_AT);
      bytes.copy(out, MAC_AT, MAC_AT, MAC_AT + 6);
      bytes.copy(out, ADDRESS_AT, 16, 20);
      out.writeUInt32BE(reply.serverId, SERVER_AT);
    });
  } else if ((reply.type === 5 || reply.type === 6) && states[slot] === ExchangeState.requesting) {
    states[slot] = ExchangeState.idle;
    run.onDone(slot, reply.type === 6);
  }
});

/** Runs the order to its end: `window` keeps that many exchanges under way, `perSecond` begins them by the clock. */
function perform(order: LoadOrder): Promise<LoadResult> {
  return new Promise((resolve) => {
    const latencies = new Float64Array(order.keepLatencies ? 2_000_000 : 1);
    let [begun, done, lost, next, kept] = [0, 0, 0, 0, 0];
    const underWay = new Set<number>();
    const startMs = performance.now();
    const endMs = startMs + order.seconds * 1000;
    let doneInTime = 0;
    const start = (): void => {
      begin(order, next++ % order.clients);
      underWay.add(lastXid % SLOTS);
      begun += 1;
    };
    const cpu = process.cpuUsage();
    const finish = (): void => {
      clearInterval(timer);
      const used = process.cpuUsage(cpu);
      run = undefined;
      const sorted = latencies.subarray(0, kept).sort();
      const at = (share: number): number => sorted[Math.min(kept - 1, Math.ceil(kept * share) - 1)] ?? 0;
      resolve({
        begun,
        done,
        lost,
        perSecond: doneInTime / order.seconds,
        medianMs: at(0.5),
        p99Ms: at(0.99),
        mostMs: at(1),
        ownCpuMicros: (used.user + used.system) / Math.max(1, done),
      });
    };
    run = {
      order,
      onDone: (slot, isRefused) => {
        underWay.delete(slot);
        const now = performance.now();
        if (isRefused) lost += 1;
        else {
          done += 1;
          if (now < endMs) doneInTime += 1;
          if (order.keepLatencies && kept < latencies.length) latencies[kept++] = now - startedAt[slot];
        }
        if (order.window > 0 && now < endMs) start();
        if (now >= endMs && underWay.size === 0) finish();
      },
    };
    let lookedForLost = startMs;
    const timer = setInterval(() => {
      const now = performance.now();
      if (order.window === 0 && now < endMs) while (begun < ((now - startMs) / 1000) * order.perSecond) start();
      if (now - lookedForLost > 50) {
        lookedForLost = now;
        for (const slot of underWay) {
          if (now - startedAt[slot] < LOST_MS) break; // a set keeps its order, and the oldest began first
          underWay.delete(slot);
          states[slot] = ExchangeState.idle;
          lost += 1;
          if (order.window > 0 && now < endMs) start();
        }
      }
      if (now >= endMs && underWay.size === 0) finish();
    }, TICK_MS);
    for (let count = 0; count < order.window; count += 1) start();
  });
}

process.on('message', (order: LoadOrder) => {
  void perform(order).then((result) => process.send?.({ kind: `result-${order.id}`, ...result }));
});
process.on('disconnect', () => process.exit());
process.send?.({ kind: 'ready', port: socket.address().port });
