/**
 * An endpoint made of UDP sockets and, where the launcher gave one, a packet port: a reply to a machine without an address then
 * goes to its MAC alone instead of to everybody (RFC 2131 section 4.1).
 */
import type { Socket } from 'node:dgram';
import { formatIpv4, type Subnet } from '../shared/ipv4.js';
import { CLIENT_PORT, LIMITED_BROADCAST, type Destination } from './destination.js';
import type { DatagramHandler, Endpoint } from './endpoint.js';
import { replyFrame } from './frames.js';
import type { Place } from './interface-place.js';
import type { PacketPort } from './packet-port.js';
import { BROADCAST_FLAG } from './packet.js';

/** `findPlace`: where the interface is now. `openSending`: the last socket is bound to the address and has to follow it. */
export type SocketEndpointOptions = {
  readonly port: number;
  readonly isBootServer?: boolean;
  readonly packets?: PacketPort | undefined;
  readonly findPlace?: () => Place;
  readonly openSending?: (address: number) => Promise<Socket>;
};

export class SocketEndpoint implements Endpoint {
  readonly name: string;
  readonly port: number;
  readonly isBootServer: boolean;
  readonly packets: PacketPort | undefined;
  readonly #options: SocketEndpointOptions;
  #place: Place;
  /** All are heard; the last one sends. */
  #sockets: readonly Socket[];
  #handler: DatagramHandler | undefined;
  /** A relay is answered many times in a row. */
  #lastTarget = { address: LIMITED_BROADCAST, text: formatIpv4(LIMITED_BROADCAST) };

  constructor(name: string, place: Place, sockets: readonly Socket[], options: SocketEndpointOptions) {
    this.name = name;
    this.#place = place;
    this.#sockets = sockets;
    this.#options = options;
    this.packets = options.packets;
    this.port = options.port;
    this.isBootServer = options.isBootServer ?? false;
  }

  get address(): number {
    return this.#place.address;
  }

  get subnet(): Subnet | undefined {
    return this.#place.subnet;
  }

  receive = (handler: DatagramHandler): void => {
    this.#handler = handler;
    for (const socket of this.#sockets) this.#hear(socket, handler);
  };

  send = (bytes: Buffer, to: Destination, done: (error: Error | null) => void): void => {
    if (to.address === LIMITED_BROADCAST && to.port === CLIENT_PORT && this.#sendFrame(bytes)) return done(null);
    if (to.address !== this.#lastTarget.address) this.#lastTarget = { address: to.address, text: formatIpv4(to.address) };
    this.#sockets.at(-1)?.send(bytes, to.port, this.#lastTarget.text, done);
  };

  refresh = async (): Promise<boolean> => {
    const place = this.#options.findPlace?.() ?? this.#place;
    if (place.address === this.#place.address && place.subnet?.prefix === this.#place.subnet?.prefix) return false;
    if (this.#options.openSending !== undefined && place.address !== 0) {
      const bound = this.#sockets.at(-1);
      this.#sockets = this.#sockets.slice(0, -1);
      if (bound !== undefined) await closeSocket(bound);
      const sending = await this.#options.openSending(place.address);
      if (this.#handler !== undefined) this.#hear(sending, this.#handler);
      this.#sockets = [...this.#sockets, sending];
    }
    this.#place = place;
    return true;
  };

  close = async (): Promise<void> => {
    this.packets?.close();
    await Promise.all(this.#sockets.map(closeSocket));
  };

  #hear(socket: Socket, handler: DatagramHandler): void {
    socket.on('message', (bytes, from) => handler(bytes, from, this));
  }

  /** Offsets as in RFC 2131 figure 1. Ethernet only; a client that asked for broadcasts gets them. */
  #sendFrame(message: Buffer): boolean {
    if (this.packets === undefined || message[1] !== 1 || message[2] !== 6) return false;
    const yourAddress = message.readUInt32BE(16);
    if (yourAddress === 0 || (message.readUInt16BE(10) & BROADCAST_FLAG) !== 0) return false;
    const frame = replyFrame({ mac: this.packets.mac, address: this.address }, { mac: message.subarray(28, 34), address: yourAddress }, message);
    return this.packets.send(frame);
  }
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
