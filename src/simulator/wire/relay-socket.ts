import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isLost } from './faults.js';
import { decodeDhcp, encodeDhcp, MINIMUM_BYTES, type DhcpMessage } from './dhcp-packet.js';
import type { Counters } from '../counters.js';
import type { Random } from '../random.js';

export type RelaySocketOptions = {
  /** giaddr: the socket is bound here, to a port of the kernel's choice (RFC 8357). */
  relayAddress: string;
  server: { host: string; port: number };
  lossRate: number;
  random: Random;
  counters: Counters;
  /** Told what is wrong with a datagram that is no DHCP message. */
  complain: (what: string) => void;
};

type Waiting = { accept: (message: DhcpMessage) => boolean; settle: (message: DhcpMessage | undefined) => void };

/** The machine's relay agent: one UDP socket that lives for one DHCP conversation. */
export class RelaySocket {
  #waiting: Waiting | undefined;
  #telling = 0;
  #isClosing = false;

  private constructor(
    private readonly socket: Socket,
    private readonly options: RelaySocketOptions,
  ) {
    socket.on('message', (bytes) => this.#receive(bytes));
    // An ICMP "port unreachable" arrives as an error; to firmware it is silence, and the timeout tells.
    socket.on('error', () => undefined);
  }

  /** Opens the socket at the relay's address; rejects when the address cannot be bound. */
  static async open(options: RelaySocketOptions): Promise<RelaySocket> {
    const socket = createSocket('udp4');
    socket.bind(0, options.relayAddress);
    await once(socket, 'listening');
    return new RelaySocket(socket, options);
  }

  /** Sends and waits for the first message `accept` takes; undefined when none came in time. Rejects when the power goes. */
  async ask(message: DhcpMessage, accept: (reply: DhcpMessage) => boolean, timeoutMs: number, signal: AbortSignal): Promise<DhcpMessage | undefined> {
    signal.throwIfAborted();
    const { server, lossRate, random, counters } = this.options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(undefined), timeoutMs);
      const cut = () => {
        settle(undefined);
        reject(signal.reason);
      };
      const settle = (reply: DhcpMessage | undefined) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', cut);
        this.#waiting = undefined;
        if (!signal.aborted) resolve(reply);
      };
      signal.addEventListener('abort', cut, { once: true });
      this.#waiting = { accept, settle };
      if (!isLost(lossRate, random, counters)) this.socket.send(encodeDhcp(message), server.port, server.host, () => undefined);
    });
  }

  /** Sends what no answer is expected to. */
  tell(message: DhcpMessage): void {
    const { server } = this.options;
    this.#telling += 1;
    this.socket.send(encodeDhcp(message), server.port, server.host, () => {
      this.#telling -= 1;
      if (this.#isClosing && this.#telling === 0) this.socket.close();
    });
  }

  /** Closes when what was told has been sent. */
  close(): void {
    this.#isClosing = true;
    if (this.#telling === 0) this.socket.close();
  }

  #receive(bytes: Buffer): void {
    const { lossRate, random, counters, complain } = this.options;
    if (isLost(lossRate, random, counters)) return;
    if (bytes.length < MINIMUM_BYTES) complain(`a reply of ${bytes.length} bytes: some relays drop less than ${MINIMUM_BYTES}`);
    const decoded = decodeDhcp(bytes);
    if (!decoded.ok) complain(decoded.error);
    else if (this.#waiting?.accept(decoded.value) === true) this.#waiting.settle(decoded.value);
  }
}
