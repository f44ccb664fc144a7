/** Tells secondaries that a zone changed, until each has said that it heard. RFC 1996. */
import { createSocket, type Socket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { keyText } from './name.js';
import { notifyMessage } from './transfer.js';
import type { AddressPort } from '../shared/ipv4.js';

/** RFC 1996 section 3.6: again after a while, a few times; SOA's refresh mends what is lost for good. */
const AGAIN_MS = 3_000;
const TIMES = 4;

type Told = { readonly socket: Socket; timer: NodeJS.Timeout | undefined };

export class Notifier {
  readonly #logger: Logger;
  readonly #onSent: () => void;
  /** One at a time for each zone and secondary: a later change takes the place of an earlier. */
  readonly #told = new Map<string, Told>();

  constructor(logger: Logger, onSent: () => void) {
    this.#logger = logger;
    this.#onSent = onSent;
  }

  /** Safe at any rate. Never throws. */
  tell(apex: string, secondary: AddressPort): void {
    const key = `${secondary.address}:${secondary.port} ${apex}`;
    this.#end(key);
    const id = randomInt(0x10000);
    const message = notifyMessage(apex, id);
    const socket = createSocket('udp4');
    const told: Told = { socket, timer: undefined };
    this.#told.set(key, told);
    socket.on('error', () => undefined);
    socket.on('message', (bytes, from) => {
      if (from.address === secondary.address && bytes.length >= 12 && bytes.readUInt16BE(0) === id) this.#end(key);
    });
    let left = TIMES;
    const send = () => {
      if (left === 0) {
        this.#logger.warn({ zone: keyText(apex), secondary: secondary.address }, 'secondary does not answer NOTIFY');
        this.#end(key);
        return;
      }
      left -= 1;
      this.#onSent();
      socket.send(message, secondary.port, secondary.address, () => undefined);
      told.timer = setTimeout(send, AGAIN_MS);
      told.timer.unref();
    };
    send();
  }

  close(): void {
    for (const key of [...this.#told.keys()]) this.#end(key);
  }

  #end(key: string): void {
    const told = this.#told.get(key);
    if (told === undefined) return;
    this.#told.delete(key);
    clearTimeout(told.timer);
    told.socket.close();
  }
}
