/** One UDP socket of one address: a datagram in, a datagram out. What is said is responder.ts. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export type UdpEndpoint = { readonly port: number; close(): Promise<void> };

/** Called for each datagram; `reply` sends back to where it came from, from the address it was sent to. */
export type UdpHandler = (request: Buffer, from: RemoteInfo, reply: (bytes: Buffer) => void) => void;

/** A burst of a rack that comes up waits here for a slow moment. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** Binds; rejects with the system's error. Not shared: a resolver on another address of this port keeps it (netboot-rules 2). */
export async function openUdp(address: string, port: number, handle: UdpHandler, onSendError: () => void): Promise<UdpEndpoint> {
  const socket = createSocket({ type: 'udp4', lookup: noLookup });
  const listening = once(socket, 'listening');
  try {
    socket.bind({ address, port, exclusive: true });
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  // After the bind an error concerns one datagram.
  socket.on('error', () => undefined);
  enlarge(socket);
  const sent = (error: Error | null) => {
    if (error !== null) onSendError();
  };
  socket.on('message', (request, from) => handle(request, from, (bytes) => socket.send(bytes, 0, bytes.length, from.port, from.address, sent)));
  return {
    port: socket.address().port,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** Replies go to addresses, never to names; Node would ask its resolver machinery for each packet otherwise. */
function noLookup(host: string, _options: unknown, callback: (error: null, address: string, family: number) => void): void {
  callback(null, host, 4);
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // The kernel's default is smaller and works.
  }
}
