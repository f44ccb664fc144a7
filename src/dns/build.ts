/** PURE: rows into zones, in steps, so that a server with 100,000 names goes on answering while it reads them. */
import { parseIpv4 } from '../shared/ipv4.js';
import { RecordType } from './codes.js';
import { nameKey } from './name.js';
import { isReverse, Naming, planZones, serverKey } from './names.js';
import { addressData, writtenData, WRITTEN_TYPES, type WrittenType } from './record.js';
import type { WrittenRow, ZoneRows } from './rows.js';
import { ZoneSet, type ZoneRecord } from './zone-set.js';

/** `writtenOwners`: names of the operator's own records; who else has one of them depends on the order, so a change there is a new build. */
export type Built = { zones: ZoneSet; naming: Naming; writtenOwners: ReadonlySet<string> };

/** Sources of the records that no allocation gives; allocations have their ids, from 1. */
const OWN_SOURCE = 0;

/** Some milliseconds of work: DHCP lives in the same process. */
const STEP = 100;

/** Yields after each hundred allocations; returns the zones. `addresses`: those this server is reached at, for its own name. */
export function* buildZones(rows: ZoneRows, addresses: readonly string[]): Generator<void, Built, void> {
  const settings = planZones(rows.networks, rows.zones);
  const zones = new ZoneSet(settings);
  const naming = new Naming(rows.networks, rows.zones, settings);
  zones.serial = rows.revision >>> 0;
  zones.put(OWN_SOURCE, ownRecords(zones, addresses));
  // Aliases last: a machine's own name is never hidden by one.
  for (const row of rows.written) if (row.type !== 'CNAME') zones.put(-row.id, writtenRecords(zones, row));
  for (const [index, allocation] of rows.allocations.entries()) {
    zones.put(allocation.id, naming.recordsOf(allocation));
    if (index % STEP === STEP - 1) yield;
  }
  for (const row of rows.written) if (row.type === 'CNAME') zones.put(-row.id, writtenRecords(zones, row));
  return { zones, naming, writtenOwners: new Set(rows.written.flatMap((row) => nameKey(row.name) ?? [])) };
}

function ownRecords(zones: ZoneSet, addresses: readonly string[]): ZoneRecord[] {
  const parsed = addresses.map(parseIpv4).filter((address) => address !== undefined);
  return zones
    .zones()
    .map((zone) => zone.settings.apex)
    .filter((apex) => !isReverse(apex))
    .flatMap((apex) => parsed.map((address) => ({ zone: apex, owner: serverKey(apex), type: RecordType.A, data: addressData(address) })));
}

function writtenRecords(zones: ZoneSet, row: WrittenRow): ZoneRecord[] {
  const owner = nameKey(row.name);
  const zone = owner === undefined ? undefined : zones.zoneOf(owner);
  const type = WRITTEN_TYPES.find((each): each is WrittenType => each === row.type);
  const data = type === undefined ? undefined : writtenData(type, row.value);
  if (owner === undefined || zone === undefined || type === undefined || data === undefined) return [];
  return [{ zone: zone.settings.apex, owner, type: RecordType[type], data }];
}
