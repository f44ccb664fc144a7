/** A TFTP client in pieces, for tests: packets made by hand, and a whole fetch that can lose what it is sent. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export function request(file: string, options: Record<string, string | number> = {}, opcode = 1, mode = 'octet'): Buffer {
  const tail = Object.entries(options)
    .map(([name, value]) => `${name}\0${value}\0`)
    .join('');
  return Buffer.from(`\u0000${String.fromCharCode(opcode)}${file}\0${mode}\0${tail}`, 'latin1');
}

export const ack = (block: number) => Buffer.from([0, 4, (block >> 8) & 255, block & 255]);

export async function openClient(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

/** The next packet, or undefined after `ms` of silence. */
export async function next(socket: Socket, ms = 3_000): Promise<{ bytes: Buffer; from: RemoteInfo } | undefined> {
  try {
    const [bytes, from] = (await once(socket, 'message', { signal: AbortSignal.timeout(ms) })) as [Buffer, RemoteInfo];
    return { bytes, from };
  } catch {
    return undefined;
  }
}

/** Sends to a port of the server that is not open for this socket; resolves when the kernel has said so (ICMP port unreachable). */
export async function refused(socket: Socket, port: number, bytes: Buffer): Promise<void> {
  const connected = once(socket, 'connect');
  // An answer comes from the address that was asked, so that is all this socket hears from now on.
  socket.connect(port, '127.0.0.1');
  await connected;
  const told = new Promise<Error>((resolve) => {
    socket.once('error', resolve);
  });
  socket.send(bytes);
  const error = await told;
  if (!('code' in error) || error.code !== 'ECONNREFUSED') throw error;
}

export type Fetched = { content: Buffer; options: Record<string, string>; error?: string; duplicates: number };

/** Fetches as RFC 7440 says; `lose` drops what it names, counted over all DATA packets that come in. */
export async function fetchFile(
  port: number,
  file: string,
  options: Record<string, string | number> = {},
  lose: (packet: number) => boolean = () => false,
  address = '127.0.0.1',
): Promise<Fetched> {
  const socket = await openClient(address);
  const fetched: Fetched = { content: Buffer.alloc(0), options: {}, duplicates: 0 };
  try {
    return await new Promise((resolve, reject) => {
      let blockBytes = 512;
      let windowBlocks = 1;
      let received = 0;
      let unacknowledged = 0;
      let packets = 0;
      let peer: RemoteInfo | undefined;
      const parts: Buffer[] = [];
      let last = { bytes: request(file, options), port };
      const silence = setTimeout(() => {
        clearInterval(repeat);
        reject(new Error(`no end within 20 s, at block ${received}`));
      }, 20_000);
      // As every client does: what may have been lost is sent again.
      const repeat = setInterval(() => socket.send(last.bytes, last.port, '127.0.0.1'), 500);
      const done = () => {
        clearTimeout(silence);
        clearInterval(repeat);
        fetched.content = Buffer.concat(parts);
        resolve(fetched);
      };
      const answer = (block: number) => {
        last = { bytes: ack(block), port: peer?.port ?? 0 };
        repeat.refresh();
        socket.send(last.bytes, last.port, '127.0.0.1');
      };
      socket.on('message', (bytes, from) => {
        peer ??= from;
        const opcode = bytes.readUInt16BE(0);
        if (opcode === 5) {
          fetched.error = `${bytes.readUInt16BE(2)} ${bytes.toString('latin1', 4, bytes.length - 1)}`;
          return done();
        }
        if (opcode === 6) {
          const texts = bytes.toString('latin1', 2).split('\0');
          for (let index = 0; index + 1 < texts.length - 1; index += 2) fetched.options[texts[index] ?? ''] = texts[index + 1] ?? '';
          blockBytes = Number(fetched.options['blksize'] ?? 512);
          windowBlocks = Number(fetched.options['windowsize'] ?? 1);
          return answer(0);
        }
        packets += 1;
        if (lose(packets)) return;
        const block = bytes.readUInt16BE(2);
        if (block !== ((received + 1) & 0xffff)) {
          fetched.duplicates += 1;
          if (((block - received) & 0xffff) < 1_000) {
            // The server begins a window anew behind what is acknowledged. RFC 7440 section 4.
            unacknowledged = 0;
            answer(received & 0xffff);
          }
          return;
        }
        received += 1;
        unacknowledged += 1;
        parts.push(Buffer.from(bytes.subarray(4)));
        const last = bytes.length - 4 < blockBytes;
        if (last || unacknowledged >= windowBlocks) {
          unacknowledged = 0;
          answer(received & 0xffff);
        }
        if (last) done();
      });
      socket.send(last.bytes, last.port, '127.0.0.1');
    });
  } finally {
    socket.close();
  }
}
