/** PURE: whether a segment may be served: from what was found of ports, interfaces, rivals and networks to a verdict. */
import type { PortOwner } from '../dhcp/port-owner.js';
import type { Rival } from '../dhcp/rivals.js';

/** `bad` must be put right first, `odd` will surprise, `good` is as it should be. */
export type CheckItem = { readonly level: 'bad' | 'odd' | 'good'; readonly subject: string; readonly text: string; readonly fix: string };

export type Checked = { readonly ok: boolean; readonly items: readonly CheckItem[] };

export type CheckFindings = {
  readonly ports: readonly { readonly port: number; readonly service: string; readonly owners: readonly PortOwner[] }[];
  /** Pids of Prybar's own processes on this machine. */
  readonly ownPids: ReadonlySet<number>;
  readonly interfaces: readonly InterfaceFinding[];
  /** Warnings about networks; null when the database was not looked at. */
  readonly networks: readonly string[] | null;
};

export type InterfaceFinding = {
  readonly name: string;
  readonly address: string;
  /** The network of ours it is on; null when none is known. */
  readonly network: { readonly name: string; readonly mode: string } | null;
  /** A string says why nobody could listen. */
  readonly rivals: readonly Rival[] | string;
};

/** Every finding as an item, the bad ones first; `ok` when none is bad. */
export function judgeCheck(findings: CheckFindings): Checked {
  const items = [
    ...findings.ports.map((port) => judgePort(port, findings.ownPids)),
    ...findings.interfaces.flatMap(judgeInterface),
    ...judgeNetworks(findings),
  ];
  const order = { bad: 0, odd: 1, good: 2 } as const;
  items.sort((a, b) => order[a.level] - order[b.level]);
  return { ok: items.every((item) => item.level !== 'bad'), items };
}

function judgePort({ port, service, owners }: CheckFindings['ports'][number], ownPids: ReadonlySet<number>): CheckItem {
  const subject = `UDP ${port} (${service})`;
  const others = owners.filter(({ pid }) => !ownPids.has(pid));
  if (others.length === 0) return { level: 'good', subject, text: owners.length === 0 ? 'free' : 'held by Prybar itself', fix: '' };
  const names = others.map(({ pid, name }) => (pid === 0 ? name : `${name} (pid ${pid})`)).join(', ');
  return {
    level: 'bad',
    subject,
    text: `held by ${names}; two servers on one port each hear half of the clients`,
    fix: `stop ${names}, or serve on another machine`,
  };
}

function judgeInterface({ name, address, network, rivals }: InterfaceFinding): CheckItem[] {
  const subject = `${name} (${address})`;
  const place = network === null ? 'a segment of no network that Prybar knows' : `network ${network.name}, mode ${network.mode}`;
  if (typeof rivals === 'string')
    return [
      { level: 'odd', subject, text: `${place}; nobody could listen for other servers: ${rivals}`, fix: 'run it as root, or through scripts/dhcp-sockets.pl' },
    ];
  const isProxy = network?.mode === 'proxy';
  if (rivals.length === 0) {
    return isProxy
      ? [
          {
            level: 'odd',
            subject,
            text: `${place}, and no other server answered: nobody gives addresses here`,
            fix: 'start the other server, or set the mode to authoritative',
          },
        ]
      : [{ level: 'good', subject, text: `${place}; no other DHCP server answered`, fix: '' }];
  }
  return rivals.map(({ serverId, mac, offered, bootFile }) => {
    const who = `${serverId}${mac === null ? '' : ` (${mac})`} offers ${offered}${bootFile === null ? '' : ` and the file ${bootFile}`}`;
    if (isProxy && bootFile === null) return { level: 'good', subject, text: `${place}; ${who}, as proxy mode wants it`, fix: '' };
    if (isProxy)
      return {
        level: 'odd',
        subject,
        text: `${place}; ${who}: firmware may take that file and not ours`,
        fix: 'take the boot file (options 66 and 67) out of the other server',
      };
    return {
      level: 'bad',
      subject,
      text: `${place}; another DHCP server: ${who}`,
      fix: 'switch it off on this segment, or set the network to proxy mode (docs/dhcp.md)',
    };
  });
}

function judgeNetworks({ networks }: CheckFindings): CheckItem[] {
  if (networks === null)
    return [
      {
        level: 'odd',
        subject: 'networks',
        text: 'not looked at: DATABASE_URL is not set here',
        fix: 'set DATABASE_URL, or ask the running server: prybar doctor',
      },
    ];
  if (networks.length === 0) return [{ level: 'good', subject: 'networks', text: 'nothing is odd about them', fix: '' }];
  return networks.map((text) => ({ level: 'odd', subject: 'networks', text, fix: '' }));
}
