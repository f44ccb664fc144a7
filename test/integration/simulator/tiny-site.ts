/**
 * The smallest site a machine can boot from: one DHCP, one TFTP and one HTTP socket on loopback, with everything in memory.
 * DHCP is decided here and put into bytes by the server's codec and reply rules (src/dhcp), so that every test of the
 * simulator is also a test of one codec against the other. Records what it was asked.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chooseBootfile, DEFAULT_LOADERS } from '../../../src/dhcp/bootfile.js';
import { describeClient } from '../../../src/dhcp/client.js';
import { chooseDestination } from '../../../src/dhcp/destination.js';
import { encodePacket } from '../../../src/dhcp/encode.js';
import { buildNetworks } from '../../../src/dhcp/network-rows.js';
import { parsePacket } from '../../../src/dhcp/packet.js';
import { readRelay } from '../../../src/dhcp/relay.js';
import { buildReply } from '../../../src/dhcp/reply.js';
import { formatIpv4, parseIpv4 } from '../../../src/shared/ipv4.js';

/** One HTTP request as it came. */
export type Heard = { method: string; path: string; from: string; token: string; body: Record<string, unknown> };

/** What an HTTP request is answered with; `hold` answers when the promise does. */
export type Reply = { status: number; json?: unknown; text?: string; hold?: Promise<unknown> };

const NETWORK = buildNetworks(
  [{ id: 1, name: 'rack', subnet: '127.77.0.0/16', router: null, dns: [], domain: null, dhcp_mode: 'authoritative', lease_seconds: 3600 }],
  [],
  [],
).networks[0];
const LOADER_BYTES = 70_000;

export class TinySite {
  readonly heard: Heard[] = [];
  readonly dhcpTypes: number[] = [];
  readonly tftpFiles: string[] = [];
  /** Off: DHCP hears and stays silent. */
  dhcpAnswers = true;
  /** Boot file of firmware in place of the right one. */
  loader: string | undefined;
  /** The script of a MAC with dashes. */
  script: (macWithDashes: string) => string = () => '#!ipxe\nexit';
  /** Answers to everything else than scripts and files, by `METHOD /path`; undefined is 404. */
  routes: (heard: Heard) => Reply | undefined = () => undefined;
  dhcpPort = 0;
  tftpPort = 0;
  httpPort = 0;
  readonly #dhcp = createSocket('udp4');
  readonly #tftp = createSocket('udp4');
  readonly #transfers: Socket[] = [];
  readonly #http: Server = createServer((req, res) => void this.#serve(req, res));

  async start(): Promise<this> {
    this.#dhcp.on('message', (bytes, from) => this.#answerDhcp(bytes, from.port)).bind(0, '127.0.0.1');
    this.#tftp.on('message', (bytes, from) => this.#answerTftp(bytes, from)).bind(0, '127.0.0.1');
    this.#http.listen(0, '127.0.0.1');
    await Promise.all([once(this.#dhcp, 'listening'), once(this.#tftp, 'listening'), once(this.#http, 'listening')]);
    this.dhcpPort = this.#dhcp.address().port;
    this.tftpPort = this.#tftp.address().port;
    const address = this.#http.address();
    this.httpPort = typeof address === 'object' && address !== null ? address.port : 0;
    return this;
  }

  get base(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get servers(): { host: string; dhcpPort: number; tftpPort: number } {
    return { host: '127.0.0.1', dhcpPort: this.dhcpPort, tftpPort: this.tftpPort };
  }

  /** Requests of one method and path, as `POST /node/facts`. */
  requests(what: string): Heard[] {
    return this.heard.filter((heard) => `${heard.method} ${heard.path}` === what);
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    for (const socket of [this.#dhcp, this.#tftp, ...this.#transfers]) socket.close();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #answerDhcp(bytes: Buffer, sourcePort: number): void {
    const parsed = parsePacket(bytes);
    if (!parsed.ok) return;
    const packet = parsed.value;
    const type = packet.options.get(53)?.[0];
    this.dhcpTypes.push(type ?? 0);
    if (!this.dhcpAnswers || (type !== 1 && type !== 3)) return;
    const client = describeClient(packet);
    const loaders = this.loader === undefined ? DEFAULT_LOADERS : { bios: this.loader, 'uefi-x64': this.loader };
    const boot = chooseBootfile(client, { bootenv: 'discovery', bootLocal: false }, true, {
      bootHost: 0x7f000001,
      bootHttpPort: this.httpPort,
      loaders,
      isProxy: false,
    });
    const replyType = type === 1 ? 2 : 5;
    const reply = buildReply(packet, client, {
      type: replyType,
      serverId: 0x7f000001,
      nameServers: [0x7f000001],
      address: (parseIpv4('127.77.0.10') ?? 0) + Number.parseInt(client.mac.slice(-2), 16),
      leaseSeconds: 3600,
      network: NETWORK,
      hostName: undefined,
      boot: typeof boot === 'string' ? undefined : boot,
      extraOptions: new Map(),
      message: undefined,
    });
    const encoded = encodePacket(reply, 1472);
    const arrival = { localAddress: 0x7f000001, localPort: this.dhcpPort, isBootServer: false, sourceAddress: 0x7f000001, sourcePort };
    const to = chooseDestination(packet, readRelay(packet), { type: replyType, address: reply.yourIpAddress }, arrival);
    if (encoded.ok) this.#dhcp.send(encoded.value.bytes, to.port, formatIpv4(to.address));
  }

  /** A window of four blocks a time, as long as the client acknowledges; what is lost the client asks for again. */
  #answerTftp(request: Buffer, from: { address: string; port: number }): void {
    const [file = ''] = request.toString('latin1', 2).split('\0');
    this.tftpFiles.push(file);
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    this.#transfers.push(socket);
    socket.on('error', () => undefined);
    socket.on('message', (bytes) => {
      if (bytes.readUInt16BE(0) !== 4) return;
      const acknowledged = bytes.readUInt16BE(2);
      for (let block = acknowledged + 1; block <= acknowledged + 4 && (block - 1) * 1468 <= LOADER_BYTES; block += 1) {
        const head = Buffer.from([0, 3, block >> 8, block & 255]);
        socket.send(Buffer.concat([head, Buffer.alloc(Math.min(1468, LOADER_BYTES - (block - 1) * 1468), block)]), from.port, from.address);
      }
    });
    socket.send(Buffer.from(`\0\u0006tsize\0${LOADER_BYTES}\0blksize\u00001468\0windowsize\u00004\0`, 'latin1'), from.port, from.address);
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const heard: Heard = {
      method: req.method ?? '',
      path: req.url ?? '',
      from: req.socket.remoteAddress ?? '',
      token: (req.headers.authorization ?? '').replace('Bearer ', ''),
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    this.heard.push(heard);
    const mac = /^\/boot\/ipxe\/(.+)$/.exec(heard.path)?.[1];
    const reply: Reply =
      mac !== undefined
        ? { status: 200, text: this.script(mac) }
        : heard.path.startsWith('/boot/files/')
          ? { status: 200, text: 'x'.repeat(100_000) }
          : (this.routes(heard) ?? { status: 404, json: {} });
    await reply.hold;
    const body = reply.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json));
    res.writeHead(reply.status, { 'content-length': Buffer.byteLength(body) });
    res.end(body);
  }
}
