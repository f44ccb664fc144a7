/** HTTPS beside boot HTTP: the same answers under a certificate of our own authority, renewed while the process runs. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
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
  const identity = () => ensureIdentity(config.home, names, new Date());
  const port = config.bootHttpsPort ?? 0;
  const server = createServer({ ...BOOT_SERVER_OPTIONS, ...(await identity()), ca: undefined }, answer);
  limitServer(server);
  server.on('tlsClientError', (error, socket) => {
    // Gone already: there is nobody to tell of.
    if (socket.remoteAddress === undefined) return;
    onHandshakeFailed(socket.remoteAddress.replace(/^::ffff:/, ''), errorCode(error) ?? 'handshake failed');
  });
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
      .then(({ key, cert }) => server.setSecureContext({ key, cert }))
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
