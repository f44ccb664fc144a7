/** PURE: the shapes that every resource is made of: ids, names, times, pages. */
import { z } from 'zod';

/** Answer object: fields this version does not know are dropped, so an older client reads a newer server. */
export const answer = z.object;
/** Request object: an unknown field is refused, because a misspelt one would silently do nothing. */
export const request = z.strictObject;

/** Rows a page may hold at most, and holds when nothing is asked. */
export const PAGE_LIMIT_MAX = 1000;
export const PAGE_LIMIT_DEFAULT = 50;

/** A time in UTC, ISO 8601. */
export const time = z.iso.datetime();
/** An object in an answer, whatever it holds. */
export const jsonObject = z.record(z.string(), z.unknown());
/** Any JSON value; one object, so that the OpenAPI document names it. */
export const jsonSchema = z.json();
/** An object in a request: nothing that is not JSON comes past the door. */
export const jsonObjectSchema = z.record(z.string(), jsonSchema);

/** Names of deployments, nodes and roles: they appear in URLs, host names and shells. */
export const name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'small letters, digits, dots and dashes, beginning and ending with a letter or digit')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because objects are addressed by id or name');

/** An object's id or its name, as it stands in a path, a filter or a reference. */
export const keySchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[A-Za-z0-9._@-]+$/, 'an id or a name');
/** The same in a JSON body, where an id may be a number. */
export const reference = z.union([z.number().int().positive().transform(String), keySchema]);
/** An id in a path or a filter: PostgreSQL's int4. */
export const idSchema = z.coerce.number<number>().int().positive().max(2_147_483_647);
/** Id of a run: int8. */
export const runIdSchema = z.coerce.number<number>().int().positive();

/** A flag in a query: the words true and false; a caller of the client writes a boolean. */
export const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

/** Id and name: how one object mentions another. */
export const refSchema = answer({ id: z.int(), name: z.string() });
export type Ref = z.infer<typeof refSchema>;

/** Why something failed: `code` is for programs, `message` for people. */
export const failure = answer({ code: z.string(), message: z.string() });

/** What every list takes: rows of a page, and the `next` of the page before. */
export const paging = {
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().min(1).max(200).optional(),
};

/** One page: `next` goes into `?after=`, null on the last page; `total` counts every page. */
export const pageOf = <Item extends z.ZodType>(item: Item) => answer({ items: z.array(item), next: z.string().nullable(), total: z.int() });
export type Page<Item> = { items: Item[]; next: string | null; total: number };

/** The query of a list that has no filters. */
export const pageQuerySchema = request(paging);
