import type { ServerSettings } from '../../src/dhcp/answer.js';
import { DEFAULT_LOADERS } from '../../src/dhcp/bootfile.js';
import type { Arrival } from '../../src/dhcp/destination.js';
import { LeaseBook } from '../../src/dhcp/lease-book.js';
import type { Network } from '../../src/dhcp/network.js';
import type { DhcpPacket } from '../../src/dhcp/packet.js';
import { UnknownQuota } from '../../src/dhcp/quota.js';
import { situate, type DhcpEntry, type Knowledge, type Situation } from '../../src/dhcp/situation.js';
import type { Trace } from '../../src/dhcp/trace.js';

/** A server at 10.7.0.2 that heard something on port 67 of its own interface. */
export const ARRIVAL: Arrival = { localAddress: 0x0a070002, localPort: 67, isBootServer: false, sourceAddress: 0, sourcePort: 68 };

export const SETTINGS: ServerSettings = { bootHost: undefined, bootHttpPort: 8080, loaders: DEFAULT_LOADERS, servesDns: false };

/** What a server knows that has one network, no lease and no node, but for what the test says. */
export function knowledgeOf(networks: readonly Network[], more: Partial<Knowledge> & { entries?: readonly DhcpEntry[] } = {}): Knowledge {
  const { entries = [], ...rest } = more;
  return {
    networks,
    entryOf: (mac) => entries.find((entry) => entry.mac === mac),
    book: new LeaseBook(),
    quota: new UnknownQuota(),
    serverIds: [ARRIVAL.localAddress],
    minSecs: 0,
    nowMs: 0,
    ...rest,
  };
}

/** A node's row in the DHCP table. */
export function entry(mac: string, more: Partial<DhcpEntry> = {}): DhcpEntry {
  return { mac, nodeId: 1, hostName: 'n1.rack.example', bootenv: 'discovery', bootLocal: false, options: new Map(), ...more };
}

/** The situation of a packet; throws when the server would not judge it at all. */
export function situationOf(packet: DhcpPacket, knowledge: Knowledge, arrival: Partial<Arrival> = {}, trace?: Trace): Situation {
  const situation = situate(packet, { ...ARRIVAL, ...arrival }, knowledge, trace);
  if ('reason' in situation) throw new Error(situation.reason);
  return situation;
}
