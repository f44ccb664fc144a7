/**
 * The answer of a function that may refuse its input without that being exceptional: parsers of bytes and text that come
 * from outside. Narrow on `ok`; nothing in a Result is ever thrown.
 */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** A Result that carries a value. */
export function ok<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

/** A Result that carries the reason there is no value. */
export function err<E>(error: E): Result<never, E> {
  return { ok: false, error };
}
