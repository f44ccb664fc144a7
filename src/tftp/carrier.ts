/** What carries one transfer, whichever thread it runs on, and what is seen of it meanwhile. */
import type { TransferCounts } from '../nodes/transfers.js';
import type { Agreed } from './options.js';

export type TransferEnd = {
  /**
   * `probe`: the client only wanted to know the size and said so with an ERROR after the OACK (netboot-rules 3). `timeout`: it
   * fell silent. `aborted`: it, or our stop, ended the transfer. `failed`: our fault, a disk or a socket.
   */
  outcome: 'done' | 'probe' | 'timeout' | 'aborted' | 'failed';
  reason: string;
  bytes: number;
  retransmits: number;
  /** The client answered at least once. */
  answered: boolean;
};

/** Written to with every acknowledgement, for whoever looks. */
export type Counts = TransferCounts & { /** The client answered at least once: it is where it says it is. */ answered: boolean };

/** From which address of ours to which client, with which options. */
export type Route = {
  client: { address: string; port: number };
  /** The address the request was sent to: the answer comes from it. */
  localAddress: string;
  agreed: Agreed;
};

export type Listeners = {
  /** About every tenth of the file. */
  onProgress: (fraction: number) => void;
  /** Once. */
  onEnd: (end: TransferEnd) => void;
};

export type Carrier = {
  /** Opens the socket and sends the first packet. Never rejects: without a socket the transfer has failed. */
  start(): Promise<void>;
  /** Ends the transfer; the first reason stands. */
  end(outcome: TransferEnd['outcome'], reason: string): void;
  /** Ends with a word to the client, e.g. when the server stops; resolves when that is sent. */
  abort(outcome: 'aborted' | 'failed', reason: string): Promise<void>;
};
