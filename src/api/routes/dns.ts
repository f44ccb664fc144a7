/** `/dns`: the zones there are, what an operator says of them, his own records, and zone files. */
import type { Db } from '../../db/client.js';
import { zoneFile, zoneFileName } from '../../dns/export.js';
import { keyText, nameKey } from '../../dns/name.js';
import { isReverse } from '../../dns/names.js';
import { buildAllZones, createRecord, deleteRecord, deleteZone, listRecords, putZone, type BuiltZones } from '../../dns/zones-store.js';
import type { Zone as ServedZone } from '../../dns/zone-set.js';
import { NotFoundError } from '../../shared/errors.js';
import { writeAudit } from '../audit.js';
import * as d from '../dns-schemas.js';
import { byIdSchema } from '../network-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { pageOf } from '../schemas.js';

const tag = 'dns';

export function dnsRoutes({ db }: { db: Db }): Route[] {
  return [...zoneRoutes(db), ...recordRoutes(db)];
}

function zoneRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/dns/zones',
      scope: 'viewer',
      tag,
      summary: 'List the zones: one of each network’s domain, one for its addresses, and those an operator made',
      answer: d.zoneListSchema,
      async handle() {
        const built = await buildAllZones(db);
        const items = built.zones.zones().map((zone) => viewZone(zone, built));
        return { items, total: items.length };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/dns/zones/:name/file',
      scope: 'viewer',
      tag,
      summary: 'A zone as the file that BIND, NSD or PowerDNS reads',
      params: d.byZoneSchema,
      answer: d.zoneFileSchema,
      async handle({ params }) {
        const built = await buildAllZones(db);
        const zone = built.zones.zone(nameKey(params.name) ?? '');
        if (zone === undefined) throw new NotFoundError('zone', params.name);
        return { name: params.name, file: zoneFileName(zone), text: zoneFile(zone, built.zones.serial) };
      },
    }),
    defineRoute({
      method: 'put',
      path: '/dns/zones/:name',
      scope: 'operator',
      tag,
      summary: 'Make a zone, or say what is special about one of a network; what is left out is the default again',
      params: d.byZoneSchema,
      body: d.zonePutSchema,
      answer: d.zoneSchema,
      async handle({ params, body, actor }) {
        await putZone(db, params.name, body);
        await writeAudit(db, { actor: actor.name, action: 'zone.put', target: `zone/${params.name}`, detail: body });
        const built = await buildAllZones(db);
        const zone = built.zones.zone(nameKey(params.name) ?? '');
        if (zone === undefined) throw new NotFoundError('zone', params.name);
        return viewZone(zone, built);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/dns/zones/:name',
      scope: 'operator',
      tag,
      summary: 'Take away what was said of a zone; one that a network makes goes on with the defaults',
      params: d.byZoneSchema,
      async handle({ params, actor }) {
        await deleteZone(db, params.name);
        await writeAudit(db, { actor: actor.name, action: 'zone.delete', target: `zone/${params.name}` });
      },
    }),
  ];
}

function recordRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/dns/records',
      scope: 'viewer',
      tag,
      summary: 'List the records that operators wrote',
      query: d.recordListQuerySchema,
      answer: pageOf(d.recordSchema),
      async handle({ query }) {
        const { rows, total } = await listRecords(db.pool, query.q, pageWindow(query));
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => row });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/dns/records',
      scope: 'operator',
      tag,
      summary: 'Write a record: an alias, an address of something that is not on our networks, a text',
      body: d.recordCreateSchema,
      status: 201,
      answer: d.recordSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const made = await createRecord(db, body);
        await writeAudit(db, { actor: actor.name, action: 'record.create', target: `record/${made.id}`, detail: body });
        return made;
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/dns/records/:id',
      scope: 'operator',
      tag,
      summary: 'Delete a record',
      params: byIdSchema,
      async handle({ params, actor }) {
        await deleteRecord(db, params.id);
        await writeAudit(db, { actor: actor.name, action: 'record.delete', target: `record/${params.id}` });
      },
    }),
  ];
}

function viewZone(zone: ServedZone, built: BuiltZones): d.Zone {
  const { apex, ttl, nameservers, contact, secondaries } = zone.settings;
  const row = built.written.find((each) => nameKey(each.name) === apex);
  const written = (key: string) => keyText(key).slice(0, -1);
  const filter = row?.filter ?? null;
  return {
    name: written(apex),
    reverse: isReverse(apex),
    written: row !== undefined,
    serial: built.zones.serial,
    records: [...zone.sets()].reduce((sum, { set }) => sum + set.data.length, 0),
    ttl,
    nameservers: nameservers.map(written),
    contact: written(contact).replace('.', '@'),
    secondaries: secondaries.map(({ address, port }) => (port === 53 ? address : `${address}:${port}`)),
    filter: filter === null ? null : Object.fromEntries(Object.entries(filter).map(([name, values]) => [name, [...(values ?? [])]])),
    template: row?.template ?? null,
  };
}
