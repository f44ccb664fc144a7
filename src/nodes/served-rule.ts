/**
 * PURE: whether every boot server has confirmed what a node shall boot (engine-rules 6). Two different counters meet here:
 * the node's desired generation, which its DHCP entries carry, and the table's revision, which the servers report.
 */

/** The DHCP entry of one of the node's NICs, or null when the table has none. */
export type NicEntry = {
  mac: string;
  boot: boolean;
  entry: { appliedGen: number; bootenv: string; revision: number; deleted: boolean } | null;
};

/** A boot server that holds an unexpired lease. `networks` empty: it serves all of them. */
export type BootServerReport = {
  kind: string;
  host: string;
  status: string;
  networks: number[];
  servedRevision: number;
  /** What keeps a server of the site from taking the newest revision; null or absent when nothing is known to. */
  problem?: string | null;
  /** It has the problem now, as somebody who looks after it says: it may not answer at all, whatever it served before. */
  failing?: boolean;
};

export type ServedInput = {
  desiredGen: number;
  nics: NicEntry[];
  /** Network the node boots from; null when not known, then every server is in scope. */
  networkId: number | null;
  /** Revision of the names since which the node's own have not changed; the DNS servers report theirs. 0: it has none. */
  dnsRevision: number;
  servers: BootServerReport[];
};

export type Served = {
  served: boolean;
  /** The generation that the node's entries carry: the desired one when served. */
  generation: number;
  bootenv: string | null;
  /** What is missing, in words; empty when served. */
  waitingFor: string[];
};

/** Kinds that give addresses: one of them has to be there. The others confirm too when they have registered. */
const REQUIRED_KINDS: ReadonlySet<string> = new Set(['dhcp', 'dnsmasq', 'isc-dhcpd', 'isc-omapi']);

/** Counts revisions of names, not of the DHCP table. */
const NAMES_KIND = 'dns';

/** Decides. An empty confirming set is not served: nobody would answer. */
export function decideServed(input: ServedInput): Served {
  const bootNics = nicsThatBoot(input.nics);
  const waitingFor: string[] = [];
  if (bootNics.length === 0) waitingFor.push('no NIC of the node is known');
  let revision = 0;
  let generation = bootNics.length === 0 ? 0 : input.desiredGen;
  for (const nic of bootNics) {
    const applied = nic.entry === null || nic.entry.deleted ? 0 : nic.entry.appliedGen;
    generation = Math.min(generation, applied);
    if (nic.entry === null || nic.entry.deleted) waitingFor.push(`the DHCP table has no entry for ${nic.mac} yet`);
    else if (applied < input.desiredGen) waitingFor.push(`the DHCP entry of ${nic.mac} carries generation ${applied} of ${input.desiredGen}`);
    else revision = Math.max(revision, nic.entry.revision);
  }
  const members = confirmingSet(input.servers, input.networkId);
  if (!members.some((server) => REQUIRED_KINDS.has(server.kind))) waitingFor.push('no DHCP server serves the network of the node');
  for (const server of members) {
    const wanted = server.kind === NAMES_KIND ? input.dnsRevision : revision;
    if (server.servedRevision < wanted)
      waitingFor.push(`the ${server.kind} server on ${server.host} serves revision ${server.servedRevision} of ${wanted}${because(server)}`);
    else if (server.failing === true) waitingFor.push(`the ${server.kind} server on ${server.host} cannot be relied on${because(server)}`);
  }
  return { served: waitingFor.length === 0, generation, bootenv: bootNics[0]?.entry?.bootenv ?? null, waitingFor };
}

function because({ problem }: BootServerReport): string {
  return problem === null || problem === undefined ? '' : `: ${problem}`;
}

/** The NIC it booted from; where none is known to be that, any may be. */
function nicsThatBoot(nics: NicEntry[]): NicEntry[] {
  const marked = nics.filter((nic) => nic.boot);
  return marked.length > 0 ? marked : nics;
}

function confirmingSet(servers: BootServerReport[], networkId: number | null): BootServerReport[] {
  return servers.filter(
    (server) =>
      (server.status === 'serving' || server.status === 'draining') &&
      (server.networks.length === 0 || networkId === null || server.networks.includes(networkId)),
  );
}
