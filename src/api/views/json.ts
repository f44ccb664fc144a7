/** How column types stand on the wire. */
import { z } from 'zod';
import type { Attrib } from '../../attribs/names.js';
import { maskData } from '../../attribs/secrets.js';
import type { JsonObject } from '../../shared/json.js';

const objectSchema = z.record(z.string(), z.unknown());
const objectsSchema = z.array(objectSchema);

/** ISO 8601 in UTC, or null. */
export function timeOrNull(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}

/** A jsonb column that holds an object. What an older version stored otherwise is shown as {}. */
export function objectOf(value: unknown): Record<string, unknown> {
  const parsed = objectSchema.safeParse(value);
  return parsed.success ? parsed.data : {};
}

export function objectOrNull(value: unknown): Record<string, unknown> | null {
  return value === null || value === undefined ? null : objectOf(value);
}

/** A jsonb column that holds a list of objects. */
export function objectsOf(value: unknown): Record<string, unknown>[] {
  const parsed = objectsSchema.safeParse(value);
  return parsed.success ? parsed.data : [];
}

/** An id of type bigint: ours stay far below 2^53. */
export function idOf(value: bigint): number {
  return Number(value);
}

/** Data of a role as it may be shown: secrets are `***`. */
export function dataOf(attribs: unknown, data: unknown): Record<string, unknown> {
  return maskData(attribsOf(attribs), objectOf(data) as JsonObject);
}

export function dataOrNull(attribs: unknown, data: unknown): Record<string, unknown> | null {
  return data === null || data === undefined ? null : dataOf(attribs, data);
}

/** `roles.attribs` as it was stored at import. */
export function attribsOf(stored: unknown): Attrib[] {
  return objectsOf(stored) as unknown as Attrib[];
}
