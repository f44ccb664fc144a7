/**
 * What a machine did on the wire, counted where it happens. They are the proof, from the client's side, that every machine
 * made its exchanges; the servers' counters are the other half.
 */
export type Counters = {
  dhcpDiscovers: number;
  dhcpOffers: number;
  dhcpRequests: number;
  dhcpAcks: number;
  dhcpNaks: number;
  dhcpTimeouts: number;
  /** Answers that break an RFC or a rule firmware depends on; the `complaint` events and the status say which. */
  complaints: number;
  tftpRequests: number;
  tftpFiles: number;
  tftpBytes: number;
  tftpRetransmits: number;
  httpRequests: number;
  httpFailures: number;
  httpBytes: number;
  heartbeats: number;
  polls: number;
  works: number;
  boots: number;
  failedBoots: number;
  installs: number;
  /** Datagrams the fault injector dropped, in either direction. */
  packetsDropped: number;
};

/** All zero. */
export function createCounters(): Counters {
  return {
    dhcpDiscovers: 0,
    dhcpOffers: 0,
    dhcpRequests: 0,
    dhcpAcks: 0,
    dhcpNaks: 0,
    dhcpTimeouts: 0,
    complaints: 0,
    tftpRequests: 0,
    tftpFiles: 0,
    tftpBytes: 0,
    tftpRetransmits: 0,
    httpRequests: 0,
    httpFailures: 0,
    httpBytes: 0,
    heartbeats: 0,
    polls: 0,
    works: 0,
    boots: 0,
    failedBoots: 0,
    installs: 0,
    packetsDropped: 0,
  };
}

/** Field by field sum of many machines' counters. */
export function sumCounters(all: Iterable<Counters>): Counters {
  const total = createCounters();
  for (const counters of all) {
    for (const key of Object.keys(total) as (keyof Counters)[]) total[key] += counters[key];
  }
  return total;
}

/** Whether the machine went all the way once: an address by DHCP, a loader by TFTP, a script and a kernel by HTTP. */
export function hasMadeEveryExchange(counters: Counters): boolean {
  return counters.dhcpAcks > 0 && counters.tftpFiles > 0 && counters.httpRequests > 0;
}
