/**
 * PURE (no clock, no I/O, but it holds state): the zones in memory. Records come and go one by one, so that a new machine costs
 * the same among ten names as among 100,000. What is answered from them is answer.ts.
 */
import type { AddressPort } from '../shared/ipv4.js';
import { RecordType } from './codes.js';
import { isWithin, nameKey, parentKey, ROOT_KEY } from './name.js';
import { nameData, soaData, type RecordSet } from './record.js';

/** What an operator says of a zone, or its defaults. */
export type ZoneSettings = {
  /** Key of the apex. */
  readonly apex: string;
  /** Seconds; also the life of a negative answer. */
  readonly ttl: number;
  /** Keys of its name servers, the primary first; at least one. */
  readonly nameservers: readonly string[];
  /** Key of the mail address in SOA, the `@` written as a dot. */
  readonly contact: string;
  /** Who may transfer it and is told of changes. */
  readonly secondaries: readonly AddressPort[];
};

/** One record of one zone. */
export type ZoneRecord = { readonly zone: string; readonly owner: string; readonly type: number; readonly data: Buffer };

/** A name of a zone. One without sets exists because something below it does: NODATA, not NXDOMAIN (RFC 8020). */
type ZoneName = { sets: RecordSet[]; below: number };

export class Zone {
  readonly settings: ZoneSettings;
  readonly #names = new Map<string, ZoneName>();
  #soa: { serial: number; set: RecordSet } | undefined;

  constructor(settings: ZoneSettings) {
    this.settings = settings;
    this.#names.set(settings.apex, { sets: [], below: 0 });
    for (const server of settings.nameservers) this.add(settings.apex, RecordType.NS, nameData(server));
  }

  /** The sets of a name; empty where only names below it exist; undefined where nothing does. */
  setsOf(owner: string): readonly RecordSet[] | undefined {
    return this.#names.get(owner)?.sets;
  }

  /** Every set with its owner, in no order. The SOA is not among them: it carries the serial. */
  *sets(): Generator<{ owner: string; set: RecordSet }> {
    for (const [owner, name] of this.#names) for (const set of name.sets) yield { owner, set };
  }

  /** How many names have records. */
  get size(): number {
    return this.#names.size;
  }

  /**
   * Adds a record. False, and nothing done, when it is there already, lies outside, or would stand beside an alias: a CNAME is
   * alone at its name (RFC 1034 section 3.6.2), and who was first stays.
   */
  add(owner: string, type: number, data: Buffer): boolean {
    if (!isWithin(owner, this.settings.apex)) return false;
    const sets = this.#names.get(owner)?.sets ?? [];
    const isAlias = type === RecordType.CNAME;
    if (isAlias ? sets.length > 0 || owner === this.settings.apex : sets.some((set) => set.type === RecordType.CNAME)) return false;
    const set = sets.find((each) => each.type === type);
    if (set?.data.some((each) => each.equals(data)) === true) return false;
    const changed = { type, ttl: this.settings.ttl, data: [...(set?.data ?? []), data] };
    this.#nameOf(owner).sets = [...sets.filter((each) => each !== set), changed];
    return true;
  }

  /** Takes a record away; safe to repeat. */
  remove(owner: string, type: number, data: Buffer): void {
    const name = this.#names.get(owner);
    const set = name?.sets.find((each) => each.type === type);
    if (name === undefined || set === undefined) return;
    const left = set.data.filter((each) => !each.equals(data));
    const others = name.sets.filter((each) => each !== set);
    name.sets = left.length === 0 ? others : [...others, { ...set, data: left }];
    this.#forget(owner);
  }

  /** Made once for each serial: every name that does not exist is answered with it. */
  soa(serial: number): RecordSet {
    if (this.#soa?.serial === serial) return this.#soa.set;
    const { nameservers, contact, ttl } = this.settings;
    const set = { type: RecordType.SOA, ttl, data: [soaData({ primary: nameservers[0] ?? ROOT_KEY, contact, serial, ttl })] };
    this.#soa = { serial, set };
    return set;
  }

  #nameOf(owner: string): ZoneName {
    const known = this.#names.get(owner);
    if (known !== undefined) return known;
    const made = { sets: [], below: 0 };
    this.#names.set(owner, made);
    this.#nameOf(parentKey(owner) ?? this.settings.apex).below += 1;
    return made;
  }

  /** Names without records and without names below them go, from the leaf up. */
  #forget(owner: string): void {
    const name = this.#names.get(owner);
    if (name === undefined || name.sets.length > 0 || name.below > 0 || owner === this.settings.apex) return;
    this.#names.delete(owner);
    const parent = parentKey(owner) ?? this.settings.apex;
    const above = this.#names.get(parent);
    if (above !== undefined) above.below -= 1;
    this.#forget(parent);
  }
}

export class ZoneSet {
  readonly #zones = new Map<string, Zone>();
  /** What each source (an allocation) has contributed, so that it can be taken back. */
  readonly #given = new Map<number, readonly ZoneRecord[]>();
  /** SOA serial of every zone: the revision modulo 2^32. RFC 1982. */
  serial = 0;

  constructor(zones: readonly ZoneSettings[] = []) {
    for (const settings of zones) this.#zones.set(settings.apex, new Zone(settings));
  }

  zones(): Zone[] {
    return [...this.#zones.values()];
  }

  zone(apex: string): Zone | undefined {
    return this.#zones.get(apex);
  }

  /** The nearest zone at or above a name. */
  zoneOf(name: string): Zone | undefined {
    for (let key: string | undefined = name; key !== undefined; key = parentKey(key)) {
      const zone = this.#zones.get(key);
      if (zone !== undefined) return zone;
    }
    return undefined;
  }

  /** The names at which a source has records. */
  ownersOf(source: number): string[] {
    return (this.#given.get(source) ?? []).map((record) => record.owner);
  }

  /** Replaces what a source contributes. Returns the records that found no place (zone.add says why). */
  put(source: number, records: readonly ZoneRecord[]): ZoneRecord[] {
    for (const old of this.#given.get(source) ?? []) this.#zones.get(old.zone)?.remove(old.owner, old.type, old.data);
    const added: ZoneRecord[] = [];
    const left: ZoneRecord[] = [];
    for (const record of records) {
      const isAdded = this.#zones.get(record.zone)?.add(record.owner, record.type, record.data) === true;
      (isAdded ? added : left).push(record);
    }
    if (added.length > 0) this.#given.set(source, added);
    else this.#given.delete(source);
    return left;
  }
}

/** `hostmaster.<zone>`, and a name server of our own inside the zone. */
export function defaultSettings(apex: string, ttl: number, nameserver: string): ZoneSettings {
  return { apex, ttl, nameservers: [nameserver], contact: (nameKey('hostmaster') ?? ROOT_KEY).slice(0, -1) + apex, secondaries: [] };
}
