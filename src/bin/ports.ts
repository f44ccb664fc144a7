/** Looks before anything starts whether the ports are free, so that a taken one is named at once with its variable. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { Config } from '../config/config.js';
import { ConfigError } from '../shared/errors.js';

type Wanted = { variable: string; protocol: 'tcp' | 'udp'; hostVariable: 'PRYBAR_HOST' | 'PRYBAR_BOOT_HOST' | 'PRYBAR_DNS'; host: string; port: number };

/** Throws ConfigError for the first port that cannot be bound. On a real segment the boot sockets are the launcher's. */
export async function assertPortsFree(config: Config): Promise<void> {
  const onLoopback = config.interfaces.length === 0;
  const wanted: Wanted[] = [
    { variable: 'PRYBAR_PORT', protocol: 'tcp', hostVariable: 'PRYBAR_HOST', host: config.host, port: config.port },
    { variable: 'PRYBAR_BOOT_HTTP_PORT', protocol: 'tcp', hostVariable: 'PRYBAR_BOOT_HOST', host: config.bootHost, port: config.bootHttpPort },
    ...(config.bootHttpsPort === undefined
      ? []
      : [
          {
            variable: 'PRYBAR_BOOT_HTTPS_PORT',
            protocol: 'tcp',
            hostVariable: 'PRYBAR_BOOT_HOST',
            host: config.bootHost,
            port: config.bootHttpsPort,
          } satisfies Wanted,
        ]),
    ...(onLoopback
      ? ([
          { variable: 'PRYBAR_DHCP_PORT', protocol: 'udp', hostVariable: 'PRYBAR_BOOT_HOST', host: config.bootHost, port: config.dhcpPort },
          { variable: 'PRYBAR_TFTP_PORT', protocol: 'udp', hostVariable: 'PRYBAR_BOOT_HOST', host: config.bootHost, port: config.tftpPort },
          ...config.dnsAddresses.flatMap((host): Wanted[] => [
            { variable: 'PRYBAR_DNS_PORT', protocol: 'udp', hostVariable: 'PRYBAR_DNS', host, port: config.dnsPort },
            { variable: 'PRYBAR_DNS_PORT', protocol: 'tcp', hostVariable: 'PRYBAR_DNS', host, port: config.dnsPort },
          ]),
        ] satisfies Wanted[])
      : []),
  ];
  for (const one of wanted) await tryBind(one);
}

async function tryBind({ variable, protocol, hostVariable, host, port }: Wanted): Promise<void> {
  try {
    if (protocol === 'tcp') {
      const server = net.createServer().listen({ host, port, exclusive: true });
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
    } else {
      const socket = dgram.createSocket('udp4');
      socket.bind({ address: host, port, exclusive: true });
      await once(socket, 'listening');
      await new Promise<void>((resolve) => socket.close(resolve));
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    // No name server needs to be asked twice: the name, or the address it leads to, is not of this machine.
    if (['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EINVAL'].includes(code))
      throw new ConfigError(
        `${hostVariable}: '${host}' is no address of this machine (${code})`,
        `set ${hostVariable} to one of its addresses (ip address), or unset it for its default`,
        { cause },
      );
    const why =
      code === 'EADDRINUSE'
        ? 'is in use by another program'
        : code === 'EACCES'
          ? 'may not be bound by this user'
          : `cannot be bound (${cause instanceof Error ? cause.message : String(cause)})`;
    throw new ConfigError(
      `${variable}: ${protocol.toUpperCase()} port ${port} on ${host} ${why}`,
      `stop the other program (another Prybar?), or choose another port: ${variable}=${port + 100} npm start`,
      { cause },
    );
  }
}
