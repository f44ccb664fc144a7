/** Throws when a case that the types exclude happens all the same; the request or run fails, the process lives. */
export function assertNever(value: never, what: string): never {
  throw new Error(`impossible ${what}: ${JSON.stringify(value)}`);
}

/** Narrows away null and undefined where the caller has established that the value is there; says what is missing. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`missing ${what}`);
  return value;
}
