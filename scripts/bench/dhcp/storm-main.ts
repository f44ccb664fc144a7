/**
 * Many machines that are switched on at once on one link: DISCOVER by broadcast from port 68, OFFER, REQUEST, ACK; what is not answered
 * is asked again after a second, as firmware does. Run in a network namespace whose interface has an address.
 * argv: number of machines, first machine, address to send from. Prints a StormResult as JSON.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ADDRESS_AT, discoverTemplate, MAC_AT, readReply, requestTemplate, SERVER_AT, writeMac, XID_AT } from './exchange-bytes.js';

/** Times are from a machine's first DISCOVER, milliseconds. */
export type StormResult = {
  machines: number;
  offered: number;
  acknowledged: number;
  addresses: string[];
  slowestOfferMs: number;
  medianOfferMs: number;
  slowestAckMs: number;
};

const FLAGS_AT = 10;
const BROADCAST = 0x8000;
const AGAIN_MS = 1_000;
const GIVE_UP_MS = 15_000;
const count = Number(process.argv[2] ?? 500);
const first = Number(process.argv[3] ?? 0);
const from = process.argv[4] ?? '';

type Machine = { discover: Buffer; request: Buffer | undefined; startedAtMs: number; offerMs: number; ackMs: number; address: string };

const hearing = createSocket({ type: 'udp4', reuseAddr: true });
hearing.bind(68, '0.0.0.0');
await once(hearing, 'listening');
hearing.setRecvBufferSize(8 * 1024 * 1024);
const sending = createSocket({ type: 'udp4', reuseAddr: true });
sending.bind(68, from);
await once(sending, 'listening');
sending.setBroadcast(true);

const machines = new Map<number, Machine>();
for (let index = 0; index < count; index += 1) {
  const discover = discoverTemplate('');
  writeMac(discover, first + index);
  discover.writeUInt32BE(0x51000000 + index, XID_AT);
  discover.writeUInt16BE(BROADCAST, FLAGS_AT);
  machines.set(0x51000000 + index, { discover, request: undefined, startedAtMs: 0, offerMs: 0, ackMs: 0, address: '' });
}

const send = (bytes: Buffer): void => sending.send(bytes, 67, '255.255.255.255');
let acknowledged = 0;
let isOver: () => void = () => undefined;
const over = new Promise<void>((resolve) => (isOver = resolve));

hearing.on('message', (bytes) => {
  const reply = readReply(bytes);
  const machine = reply === undefined ? undefined : machines.get(reply.xid);
  if (reply === undefined || machine === undefined) return;
  const afterMs = performance.now() - machine.startedAtMs;
  if (reply.type === 2 && machine.request === undefined) {
    machine.offerMs = afterMs;
    machine.request = requestTemplate('');
    machine.discover.copy(machine.request, 0, 0, MAC_AT + 6);
    bytes.copy(machine.request, ADDRESS_AT, 16, 20);
    machine.request.writeUInt32BE(reply.serverId, SERVER_AT);
    send(machine.request);
  } else if (reply.type === 5 && machine.ackMs === 0) {
    machine.ackMs = afterMs;
    machine.address = bytes.subarray(16, 20).join('.');
    acknowledged += 1;
    if (acknowledged === count) isOver();
  }
});

for (const machine of machines.values()) {
  machine.startedAtMs = performance.now();
  send(machine.discover);
}
const again = setInterval(() => {
  for (const machine of machines.values()) if (machine.ackMs === 0) send(machine.request ?? machine.discover);
}, AGAIN_MS);
const giveUp = setTimeout(isOver, GIVE_UP_MS);
await over;
clearInterval(again);
clearTimeout(giveUp);
hearing.close();
sending.close();

const all = [...machines.values()];
const offers = all.filter((machine) => machine.offerMs > 0).map((machine) => machine.offerMs);
offers.sort((one, other) => one - other);
const result: StormResult = {
  machines: count,
  offered: offers.length,
  acknowledged,
  addresses: all.filter((machine) => machine.ackMs > 0).map((machine) => machine.address),
  slowestOfferMs: offers.at(-1) ?? 0,
  medianOfferMs: offers[offers.length >> 1] ?? 0,
  slowestAckMs: Math.max(0, ...all.map((machine) => machine.ackMs)),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
