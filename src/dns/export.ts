/** PURE: a zone as a file that BIND, NSD or PowerDNS reads. RFC 1035 section 5. Names and texts are escaped by name.ts (attack 7). */
import { typeName } from './codes.js';
import { keyText } from './name.js';
import { dataText, type RecordSet } from './record.js';
import type { Zone } from './zone-set.js';

/** The whole file, sorted by name and type, so that two exports of one state are equal. */
export function zoneFile(zone: Zone, serial: number): string {
  const apex = zone.settings.apex;
  const lines = [...zone.sets()].flatMap(({ owner, set }) => linesOf(owner, set)).sort((a, b) => (a < b ? -1 : 1));
  return [`$ORIGIN ${keyText(apex)}`, ...linesOf(apex, zone.soa(serial)), ...lines, ''].join('\n');
}

/** File name of a zone: its name without the last dot; host names hold nothing that a path could mean. */
export function zoneFileName(zone: Zone): string {
  return `${keyText(zone.settings.apex).slice(0, -1)}.zone`;
}

function linesOf(owner: string, set: RecordSet): string[] {
  return set.data.map((data) => `${keyText(owner)} ${set.ttl} IN ${typeName(set.type)} ${dataText(set.type, data)}`);
}
