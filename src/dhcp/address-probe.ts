/**
 * Whether somebody uses an address already, asked before it is offered (RFC 2131 section 4.4.1). Every DISCOVER waits for its own
 * address only, never for another's: a server that probed one after the other lost three of eight machines in a storm.
 */
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { formatMac, macBytes } from '../shared/mac.js';
import { formatIpv4, subnetContains, type Subnet } from '../shared/ipv4.js';
import { errorCode } from './error-code.js';
import { arpProbe } from './frames.js';
import type { PacketPort } from './packet-port.js';

/** How long silence has to last. A machine on the same link answers ARP within milliseconds; RFC 5227's 2 s are for radio links. */
const SILENCE_MS = 250;
/** A verdict is good for one exchange: OFFER, the client's choice, REQUEST. */
const VERDICT_MS = 30_000;
/** Asked at once; past this a flood is under way and its askers are offered what is not probed: a DECLINE still tells. */
const PROBES_MAX = 1_024;
/** The discard port: what listens there throws it away, what does not answers with ICMP. RFC 863. */
const DISCARD_PORT = 9;
const LOOPBACK: Subnet['first'] = 0x7f000000;

/** `conflict` names who answered, empty when only that somebody did is known. */
export type ProbeVerdict = { readonly kind: 'free' } | { readonly kind: 'conflict'; readonly mac: string };

const FREE: ProbeVerdict = { kind: 'free' };

/** `subnet` is undefined while the interface has no address, and where there is no interface (relayed clients only). */
export type ProbeLink = { readonly subnet: Subnet | undefined; readonly packets: PacketPort | undefined };

export type AddressProberDeps = {
  /** The links that are served: their block as it is now, and the packet port where there is one. Without it the kernel's ARP is asked. */
  readonly links: readonly ProbeLink[];
  readonly monotonicMs: () => number;
  readonly silenceMs?: number;
};

export class AddressProber {
  readonly #deps: AddressProberDeps;
  readonly #verdicts = new Map<number, { verdict: ProbeVerdict; untilMs: number }>();
  readonly #running = new Map<number, Promise<ProbeVerdict>>();
  /** Told by ARP, by address. */
  readonly #asked = new Map<number, (mac: string) => void>();
  readonly #stopListening: (() => void)[];

  constructor(deps: AddressProberDeps) {
    this.#deps = deps;
    const ports = deps.links.flatMap(({ packets }) => packets ?? []);
    this.#stopListening = ports.map((port) =>
      port.listen((frame) => {
        if (frame.kind !== 'arp') return;
        // The owner answers with its address. A probe has none: it comes from another server that was asked by the same DISCOVER.
        if (!frame.senderMac.equals(port.mac)) this.#asked.get(frame.senderAddress)?.(formatMac(frame.senderMac));
      }),
    );
  }

  /** The verdict when it is known, else a promise of it that never rejects. `clientMac`: who asks; its own answer is no conflict. */
  check(address: number, clientMac: string): ProbeVerdict | Promise<ProbeVerdict> {
    const nowMs = this.#deps.monotonicMs();
    const known = this.#verdicts.get(address);
    if (known !== undefined && known.untilMs > nowMs) return known.verdict;
    if (isLoopback(address) || this.#running.size >= PROBES_MAX) return FREE;
    const running = this.#running.get(address) ?? this.#start(address, clientMac);
    return running;
  }

  /** Forgets verdicts that are over. */
  sweep(): void {
    const nowMs = this.#deps.monotonicMs();
    for (const [address, { untilMs }] of this.#verdicts) if (untilMs <= nowMs) this.#verdicts.delete(address);
  }

  close(): void {
    for (const stop of this.#stopListening) stop();
  }

  #start(address: number, clientMac: string): Promise<ProbeVerdict> {
    const running = this.#probe(address, clientMac).then((verdict) => {
      this.#running.delete(address);
      this.#verdicts.set(address, { verdict, untilMs: this.#deps.monotonicMs() + VERDICT_MS });
      return verdict;
    });
    this.#running.set(address, running);
    return running;
  }

  async #probe(address: number, clientMac: string): Promise<ProbeVerdict> {
    const silenceMs = this.#deps.silenceMs ?? SILENCE_MS;
    const link = this.#deps.links.find(({ subnet }) => subnet !== undefined && subnetContains(subnet, address));
    const answeredBy =
      link?.packets === undefined
        ? await this.#probeByDatagram(address, link !== undefined, silenceMs)
        : await this.#probeByArp(link.packets, address, silenceMs);
    return answeredBy === undefined || answeredBy === clientMac ? FREE : { kind: 'conflict', mac: answeredBy };
  }

  #probeByArp(port: PacketPort, address: number, silenceMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const relax = port.hurry();
      const finish = (mac: string | undefined): void => {
        clearTimeout(timer);
        this.#asked.delete(address);
        relax();
        resolve(mac);
      };
      const timer = setTimeout(() => finish(undefined), silenceMs);
      this.#asked.set(address, finish);
      const frame = arpProbe(port.mac, address);
      // Once more half way: a single frame may be lost, and a full queue takes none now.
      port.send(frame);
      setTimeout(() => void (this.#asked.get(address) === finish && port.send(frame)), silenceMs / 2).unref();
    });
  }

  /**
   * Without a packet port: a datagram to the discard port. On our own link the kernel has to ask ARP for it and shows the answer in
   * its table; anywhere else the machine answers that nobody listens (ICMP port unreachable), which the kernel tells us.
   */
  #probeByDatagram(address: number, isOnLink: boolean, silenceMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = createSocket('udp4');
      let isRefused = false;
      const note = (error: unknown): void => void (isRefused ||= errorCode(error) === 'ECONNREFUSED');
      socket.on('error', note);
      // The second send is where Linux reports what the first one met. Where no route leads nothing is sent.
      const send = (): void => void (isConnected && socket.send('', note));
      let isConnected = false;
      socket.on('connect', () => {
        isConnected = true;
        send();
      });
      socket.connect(DISCARD_PORT, formatIpv4(address));
      setTimeout(send, silenceMs / 2);
      setTimeout(() => {
        socket.close();
        void (isOnLink ? neighbourOf(address) : Promise.resolve(undefined)).then((mac) => resolve(mac ?? (isRefused ? '' : undefined)));
      }, silenceMs);
    });
  }
}

/** The MAC in the kernel's ARP table, undefined when the address did not answer. Fields as in proc(5); flag 2 is "complete". */
async function neighbourOf(address: number): Promise<string | undefined> {
  const table = await readFile('/proc/net/arp', 'utf8').catch(() => '');
  const row = table.split('\n').find((line) => line.startsWith(`${formatIpv4(address)} `));
  const [, , flags = '0x0', mac = ''] = row?.split(/\s+/) ?? [];
  return (Number(flags) & 2) !== 0 && macBytes(mac) !== undefined ? mac : undefined;
}

/** Every address of 127/8 is ours and would answer. */
const isLoopback = (address: number): boolean => (address & 0xff000000) >>> 0 === LOOPBACK;
