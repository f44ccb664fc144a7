import { buildZones } from '../../../src/dns/build.js';
import type { ZoneRows } from '../../../src/dns/rows.js';
import type { ZoneSet } from '../../../src/dns/zone-set.js';

/** A query's bytes; `name` is written as given, letter case included. */
export function queryBytes(name: string, type: number, words: { id?: number; rd?: boolean; edns?: number; version?: number; class?: number } = {}): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(words.id ?? 0x1234, 0);
  head[2] = words.rd === true ? 1 : 0;
  head.writeUInt16BE(1, 4);
  const labels = name === '.' ? [] : name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(words.class ?? 1, 2);
  const opt = Buffer.alloc(words.edns === undefined ? 0 : 11);
  if (words.edns !== undefined) {
    head.writeUInt16BE(1, 10);
    opt[2] = 41;
    opt.writeUInt16BE(words.edns, 3);
    opt[6] = words.version ?? 0;
  }
  return Buffer.concat([head, ...labels, Buffer.from([0]), tail, opt]);
}

export const ROWS: ZoneRows = {
  revision: 7,
  networks: [
    { id: 1, name: 'admin', category: 'admin', subnet: '10.0.0.0/24', domain: 'rack.example', suffix: null },
    { id: 2, name: 'vm', category: 'vm', subnet: '172.20.0.0/16', domain: 'rack.example', suffix: 'vm' },
    { id: 3, name: 'oob', category: 'bmc', subnet: '10.9.0.0/22', domain: 'rack.example', suffix: null },
  ],
  zones: [],
  written: [],
  allocations: [
    { id: 1, network_id: 1, address: '10.0.0.5', hostname: null, node: 'ctrl1.rack.example', deployment: 'system', roles: [] },
    { id: 2, network_id: 2, address: '172.20.1.5', hostname: null, node: 'ctrl1.rack.example', deployment: 'system', roles: [] },
    { id: 3, network_id: 3, address: '10.9.1.5', hostname: null, node: 'ctrl1.rack.example', deployment: 'system', roles: [] },
    { id: 4, network_id: 3, address: '10.9.1.6', hostname: 'switch1', node: null, deployment: null, roles: [] },
  ],
};

export function zonesOf(rows: Partial<ZoneRows> = {}): ZoneSet {
  const building = buildZones({ ...ROWS, ...rows }, ['10.0.0.1']);
  let step = building.next();
  while (step.done !== true) step = building.next();
  return step.value.zones;
}
