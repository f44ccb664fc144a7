/** What the exchange sees of the sockets: places to be heard at and to answer from. */
import type { RemoteInfo } from 'node:dgram';
import type { Subnet } from '../shared/ipv4.js';
import type { Destination } from './destination.js';
import type { PacketPort } from './packet-port.js';

/** Called for each datagram. */
export type DatagramHandler = (bytes: Buffer, from: RemoteInfo, endpoint: Endpoint) => void;

/** One place the server is heard at and answers from. */
export type Endpoint = {
  readonly name: string;
  /** Its IPv4 address now, uint32: the server identifier of what is answered here. 0 while the interface has none: nothing is answered. */
  readonly address: number;
  /** The block of that address; undefined where there is no interface or no address. */
  readonly subnet: Subnet | undefined;
  /** For frames; undefined without the launcher or its right to open it. */
  readonly packets: PacketPort | undefined;
  /** The UDP port it is bound to. */
  readonly port: number;
  /** Whether this is the PXE boot server's port, 4011 where it is not a test's. */
  readonly isBootServer: boolean;
  readonly receive: (handler: DatagramHandler) => void;
  readonly send: (bytes: Buffer, to: Destination, done: (error: Error | null) => void) => void;
  /** Looks whether the interface has another address, or none; true when it does. */
  readonly refresh: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};
