/**
 * Drives a running ISC dhcpd over OMAPI: a host object a machine, in the group that says whether it boots from the network.
 * dhcpd keeps them in its lease file, so they outlive its restart. Names and attributes: dhcpd(8), "THE HOST OBJECT".
 */
import { readFile } from 'node:fs/promises';
import { UpstreamError } from '../../shared/errors.js';
import { parseIpv4 } from '../../shared/ipv4.js';
import { macBytes } from '../../shared/mac.js';
import type { HostRecord } from '../host-records.js';
import { ISC_GROUPS, iscHostName } from '../isc-dhcpd.js';
import { OMAPI_NOT_FOUND, OmapiRefusal, OmapiSession } from '../omapi/client.js';
import { OmapiOperation, type OmapiPairs } from '../omapi/message.js';
import type { BackEnd } from './back-end.js';
import type { IscOmapiSettings } from './settings.js';

const ETHERNET = Buffer.from([0, 0, 0, 1]);
const YES = Buffer.from([0, 0, 0, 1]);

export function omapiServer(settings: IscOmapiSettings): BackEnd {
  let session: OmapiSession | undefined;
  /** What this session has proven the server to hold, by MAC. */
  let proven = new Map<string, string>();

  const apply = async (hosts: readonly HostRecord[], withdrawn: readonly string[]): Promise<number> => {
    const open = await connected();
    let writes = 0;
    for (const mac of withdrawn) {
      if (proven.get(mac) === GONE) continue;
      if (await removeHost(open, mac)) writes += 1;
      proven.set(mac, GONE);
    }
    for (const host of hosts) {
      const wanted = stateOf(host);
      if (proven.get(host.mac) === wanted) continue;
      await bringHost(open, host);
      writes += 1;
      proven.set(host.mac, wanted);
    }
    return writes;
  };

  const connected = async (): Promise<OmapiSession> => {
    if (session?.isOpen === true) return session;
    proven = new Map();
    session = await OmapiSession.open({
      address: settings.address,
      port: settings.port,
      keyName: settings.key_name,
      secret: await readSecret(settings.key_file),
    });
    return session;
  };

  return {
    apply,
    close: async () => session?.close(),
  };
}

const GONE = 'gone';

/** Address and group: all that the server is told of a host. */
function stateOf(host: HostRecord): string {
  return `${host.address ?? ''} ${groupOf(host)}`;
}

function groupOf(host: HostRecord): string {
  return host.boot === 'network' ? ISC_GROUPS.network : ISC_GROUPS.local;
}

async function readSecret(file: string): Promise<Buffer> {
  const text = (await readFile(file, 'utf8')).trim();
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new UpstreamError(`${file} holds no base64 text: the secret of the key statement, and nothing else`);
  return Buffer.from(text, 'base64');
}

/**
 * Makes the host what is wanted and looks it up again. Its group is changed, not made anew: at no time
 * is it not there. dhcpd never says which group a host is in (seen with 4.4.3), so its word that the change was done is the proof.
 */
async function bringHost(session: OmapiSession, host: HostRecord): Promise<void> {
  const before = await lookUp(session, host.mac);
  if (before !== null && before.address === (host.address ?? ''))
    return void (await session.ask({
      operation: OmapiOperation.update,
      handle: before.handle,
      object: new Map([['group', Buffer.from(groupOf(host))]]),
    }));
  // dhcpd takes no other address for a host that is there.
  if (before !== null) await session.ask({ operation: OmapiOperation.delete, handle: before.handle });
  const create = new Map([
    ['type', Buffer.from('host')],
    ['create', YES],
    ['exclusive', YES],
  ]);
  await session.ask({ operation: OmapiOperation.open, message: create, object: objectOf(host) });
  const after = await lookUp(session, host.mac);
  if (after?.address !== (host.address ?? ''))
    throw new UpstreamError(`dhcpd says it has ${after?.address ?? 'no host'} for ${host.mac}, not ${host.address ?? 'no address'}`);
}

async function removeHost(session: OmapiSession, mac: string): Promise<boolean> {
  const before = await lookUp(session, mac);
  if (before === null) return false;
  await session.ask({ operation: OmapiOperation.delete, handle: before.handle });
  return true;
}

function objectOf(host: HostRecord): OmapiPairs {
  const address = host.address === null ? undefined : parseIpv4(host.address);
  const bytes = Buffer.alloc(4);
  if (address !== undefined) bytes.writeUInt32BE(address);
  return new Map([
    ['name', Buffer.from(iscHostName(host.mac))],
    ['hardware-address', macBytes(host.mac) ?? Buffer.alloc(6)],
    ['hardware-type', ETHERNET],
    ...(address === undefined ? [] : [['ip-address', bytes] as const]),
    ['group', Buffer.from(groupOf(host))],
  ]);
}

async function lookUp(session: OmapiSession, mac: string): Promise<{ handle: number; address: string } | null> {
  try {
    const found = await session.ask({
      operation: OmapiOperation.open,
      message: new Map([['type', Buffer.from('host')]]),
      object: new Map([['name', Buffer.from(iscHostName(mac))]]),
    });
    const bytes = found.object.get('ip-address');
    const address = bytes === undefined || bytes.length === 0 ? '' : [...bytes.subarray(0, 4)].join('.');
    return { handle: found.handle, address };
  } catch (error) {
    if (error instanceof OmapiRefusal && error.result === OMAPI_NOT_FOUND) return null;
    throw error;
  }
}
