/** Zones and records that operators write, and all zones built once for whoever reads them outside the server. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { withTransaction, type Db, type Queryable } from '../db/client.js';
import { notify } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { buildZones } from './build.js';
import { nameKey } from './name.js';
import type { ZoneFilter, ZoneRow } from './names.js';
import { writtenData, type WrittenType } from './record.js';
import { readZones } from './rows.js';
import type { ZoneSet } from './zone-set.js';

export type BuiltZones = { zones: ZoneSet; revision: number; written: readonly ZoneRow[] };

/** The zones as the servers serve them. Tens of milliseconds for 10,000 names, other work goes on between. */
export async function buildAllZones(db: Db): Promise<BuiltZones> {
  const rows = await readZones(db.pool);
  const servers = await db.pool.query<{ host: string }>(
    `SELECT DISTINCT host FROM boot_servers WHERE kind = 'dns' AND status IN ('serving', 'draining') AND lease_until > clock_timestamp() ORDER BY host`,
  );
  const building = buildZones(
    rows,
    servers.rows.map((row) => row.host),
  );
  let step = building.next();
  for (; step.done !== true; step = building.next()) await nextTurn();
  return { zones: step.value.zones, revision: rows.revision, written: rows.zones };
}

export type ZoneWords = {
  filter?: ZoneFilter | null | undefined;
  template?: string | null | undefined;
  ttl?: number | null | undefined;
  nameservers?: string[] | undefined;
  contact?: string | null | undefined;
  secondaries?: string[] | undefined;
};

/** Writes everything that is said of a zone; what is left out is the default again. Safe to repeat. */
export async function putZone(db: Db, name: string, words: ZoneWords): Promise<void> {
  await db.pool.query(
    `INSERT INTO dns_zones (name, filter, template, ttl, nameservers, contact, secondaries) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (name) DO UPDATE SET filter = EXCLUDED.filter, template = EXCLUDED.template, ttl = EXCLUDED.ttl, nameservers = EXCLUDED.nameservers,
       contact = EXCLUDED.contact, secondaries = EXCLUDED.secondaries`,
    [
      name,
      words.filter === null || words.filter === undefined ? null : JSON.stringify(words.filter),
      words.template ?? null,
      words.ttl ?? null,
      words.nameservers ?? [],
      words.contact ?? null,
      words.secondaries ?? [],
    ],
  );
  notify(db.pool);
}

/** Takes away what was said of a zone; one that a network makes goes on with the defaults. Throws NotFoundError. */
export async function deleteZone(db: Db, name: string): Promise<void> {
  const { rowCount } = await db.pool.query('DELETE FROM dns_zones WHERE name = $1', [name]);
  if (rowCount === 0) throw new NotFoundError('zone', name);
  notify(db.pool);
}

export type WrittenRecord = { id: number; name: string; type: string; value: string };

export async function listRecords(
  db: Queryable,
  q: string | undefined,
  window: { afterId: number; take: number },
): Promise<{ rows: WrittenRecord[]; total: number }> {
  const where = `($1::text IS NULL OR position($1 in name) > 0 OR position($1 in value) > 0)`;
  const { rows } = await db.query<WrittenRecord>(`SELECT id, name, type, value FROM dns_records WHERE id > $2 AND ${where} ORDER BY id LIMIT $3`, [
    q ?? null,
    window.afterId,
    window.take,
  ]);
  const counted = await db.query<{ count: number }>(`SELECT count(*)::int AS count FROM dns_records WHERE ${where}`, [q ?? null]);
  return { rows, total: counted.rows[0]?.count ?? 0 };
}

/** Throws ValidationError when the value is not one of its type or the name is in no zone, ConflictError `record-exists` or `alias`. */
export async function createRecord(db: Db, record: { name: string; type: WrittenType; value: string }): Promise<WrittenRecord> {
  if (writtenData(record.type, record.value) === undefined) throw refuse('value', VALUE_OF[record.type]);
  const { zones } = await buildAllZones(db);
  const zone = zones.zoneOf(nameKey(record.name) ?? '');
  if (zone === undefined) throw refuse('name', 'lies in no zone; make the zone first (prybar dns zone), or use the domain of a network');
  const sets = zone.setsOf(nameKey(record.name) ?? '') ?? [];
  const made = await withTransaction(db.pool, async (tx) => {
    await tx.query('LOCK TABLE dns_records IN SHARE ROW EXCLUSIVE MODE');
    const { rows: same } = await tx.query<WrittenRecord>('SELECT id, name, type, value FROM dns_records WHERE name = $1', [record.name]);
    if (same.some((each) => each.type === record.type && each.value === record.value))
      throw new ConflictError('the record exists already', { code: 'record-exists' });
    // RFC 1034 section 3.6.2.
    if (record.type === 'CNAME' ? sets.length > 0 || same.length > 0 : same.some((each) => each.type === 'CNAME'))
      throw new ConflictError(`${record.name} has other records; an alias stands alone: choose another name, or delete them`, { code: 'alias' });
    const { rows } = await tx.query<WrittenRecord>('INSERT INTO dns_records (name, type, value) VALUES ($1, $2, $3) RETURNING id, name, type, value', [
      record.name,
      record.type,
      record.value,
    ]);
    return rows[0];
  });
  notify(db.pool);
  if (made === undefined) throw new ConflictError('the record exists already', { code: 'record-exists' });
  return made;
}

export async function deleteRecord(db: Db, id: number): Promise<void> {
  const { rowCount } = await db.pool.query('DELETE FROM dns_records WHERE id = $1', [id]);
  if (rowCount === 0) throw new NotFoundError('record', id);
  notify(db.pool);
}

const VALUE_OF: Record<WrittenType, string> = {
  A: 'must be an IPv4 address, for example 10.0.0.5',
  AAAA: 'must be an IPv6 address, for example 2001:db8::5',
  CNAME: 'must be a host name, for example web1.example.com',
  TXT: 'must be text',
};

function refuse(field: string, message: string): ValidationError {
  return new ValidationError(`${field}: ${message}`, [{ field, message }]);
}
