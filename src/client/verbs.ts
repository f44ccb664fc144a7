/** GET, writing and DELETE below `/api/v2`, each answer checked against its shape. */
import type { z } from 'zod';
import type { pageQuerySchema } from '../api/schemas.js';
import { requestJson, requestNothing, type CallOptions, type ClientOptions, type Query } from './request.js';

/** An object's id or name. */
export type Key = string | number;

/** Which page of a list that has no filters. */
export type PageQuery = z.input<typeof pageQuerySchema>;

/** A power action waits until the BMC agrees, a bind may draw in many roles: they take longer than a read. */
const SLOW_MS = 90_000;

const API = '/api/v2';

/** A key as a part of a path. */
export const segment = (key: Key): string => encodeURIComponent(String(key));

export type Verbs = ReturnType<typeof verbsOf>;

/** The verbs against one server; each throws what request.ts says. */
export function verbsOf(options: ClientOptions) {
  return {
    get: <Schema extends z.ZodType>(path: string, answer: Schema, call?: CallOptions, query?: Query) =>
      requestJson(options, { method: 'GET', path: API + path, query, answer, signal: call?.signal }),
    write: <Schema extends z.ZodType>(method: 'POST' | 'PUT' | 'PATCH', path: string, answer: Schema, body: unknown, call?: CallOptions) =>
      requestJson(options, { method, path: API + path, body, answer, signal: call?.signal, timeoutMs: SLOW_MS }),
    remove: (path: string, call?: CallOptions, query?: Query) =>
      requestNothing(options, { method: 'DELETE', path: API + path, query, signal: call?.signal, timeoutMs: SLOW_MS }),
  };
}
