/** Names of nodes as they fit on a tile: the first label where that says which node it is, else the whole name. */
export function shortNames(names: readonly string[]): ReadonlyMap<string, string> {
  const seen = new Map<string, number>();
  for (const name of names) seen.set(firstLabel(name), (seen.get(firstLabel(name)) ?? 0) + 1);
  return new Map(names.map((name) => [name, seen.get(firstLabel(name)) === 1 ? firstLabel(name) : name]));
}

/** An address is no host name: its first label says nothing. */
function firstLabel(name: string): string {
  return /^[\d.]+$/.test(name) ? name : (name.split('.', 1)[0] ?? name);
}
