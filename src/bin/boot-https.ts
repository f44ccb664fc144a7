/** HTTPS beside boot HTTP: the same answers under a certificate of our own authority, renewed while the process runs. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { ensureIdentity } from '../boot-http/authority.js';
import { BOOT_SERVER_OPTIONS, limitServer } from '../boot-http/limits.js';
import type { Config } from '../config/config.js';
import { errorCode } from '../dhcp/error-code.js';
import { ConfigError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { bootAddresses } from './segment.js';

const LOOK_MS = 12 * 3_600_000;

/** A handshake that failed: whose, and OpenSSL's or the system's code for why. */
export type HandshakeFailed = (address: string, reason: string) => void;

/** Starts it. Throws ConfigError when the port or the folder of the keys cannot be had. */
export async function startBootHttps(
  config: Config,
  answer: RequestListener,
  log: Logger,
  onHandshakeFailed: HandshakeFailed = () => undefined,
): Promise<{ close(): Promise<void> }> {
  const names = [...new Set([config.bootHost, ...bootAddresses(config)])];
  // The authority goes along: an iPXE that trusts it knows its fingerprint alone (https://ipxe.org/crypto, TRUST), and has to be shown it.
  const identity = async () => {
    const { key, cert, ca } = await ensureIdentity(config.home, names, new Date());
    return { key, cert: `${cert}${ca}` };
  };
  const port = config.bootHttpsPort ?? 0;
  const server = createServer({ ...BOOT_SERVER_OPTIONS, ...(await identity()) }, answer);
  limitServer(server);
  watchHandshakes(server, onHandshakeFailed);
  server.listen(port, config.interfaces.length === 0 ? config.bootHost : '0.0.0.0');
  await once(server, 'listening').catch((cause: unknown) => {
    throw new ConfigError(
      `PRYBAR_BOOT_HTTPS_PORT: cannot listen on TCP port ${port} (${cause instanceof Error ? cause.message : String(cause)})`,
      'stop what uses the port, or set PRYBAR_BOOT_HTTPS_PORT to another',
      { cause },
    );
  });
  const timer = setInterval(() => {
    identity()
      .then((renewed) => server.setSecureContext(renewed))
      .catch((err: unknown) => log.error({ err }, 'certificate of boot https not renewed'));
  }, LOOK_MS);
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/**
 * Firmware that does not trust us sends no alert: it closes the connection (OVMF 2022.11), and Node's error then no longer says
 * whose it was. So the address is kept from the start of each connection until its handshake is done.
 */
function watchHandshakes(server: Server, onFailed: HandshakeFailed): void {
  const addresses = new Map<string, string>();
  const keyOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;
  const fail = (key: string, reason: string): void => {
    const address = addresses.get(key);
    if (address === undefined) return;
    addresses.delete(key);
    onFailed(address.replace(/^::ffff:/, ''), reason);
  };
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return;
    const key = keyOf(socket);
    addresses.set(key, remoteAddress);
    socket.once('close', () => {
      // Who said nothing and was shown nothing only looked whether the port is open.
      if (socket.bytesWritten > 0) fail(key, 'the machine closed the connection when it was shown our certificate');
      addresses.delete(key);
    });
  });
  server.on('secureConnection', (socket) => addresses.delete(keyOf(socket)));
  server.on('tlsClientError', (error, socket) => fail(keyOf(socket), errorCode(error) ?? 'handshake failed'));
}
