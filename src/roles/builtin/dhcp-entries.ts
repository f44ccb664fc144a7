/**
 * PURE: what the DHCP table must say about some nodes, and which of its rows that changes. prisma/functions/84_dhcp_entries.sql
 * is the same rule in SQL, held against this one by a property test. A row that is right already is
 * left alone: rewriting it would make every boot server read it again for nothing.
 */

/** A row of the table, one for each NIC. `options` is PostgreSQL's text of a jsonb, which is the same for the same value. */
export type Entry = { mac: string; nodeId: number; hostname: string; bootenv: string; bootLocal: boolean; appliedGen: number; options: string };

/** A row as it stands; `deleted` ones are kept so that servers learn of the withdrawal. */
export type StoredEntry = Entry & { deleted: boolean };

/** A NIC of a node that shall be answered. */
export type NodeNic = { nodeId: number; name: string; bootenv: string; desiredGen: number; mac: string; options: string };

export type EntryPlan = { write: Entry[]; withdraw: string[] };

/** The entry of a NIC. The host name is the first label: the domain is the network's (RFC 2132 sections 3.14 and 3.17). */
export function entryOf(nic: NodeNic): Entry {
  return {
    mac: nic.mac,
    nodeId: nic.nodeId,
    hostname: nic.name.split('.')[0] ?? nic.name,
    bootenv: nic.bootenv,
    bootLocal: nic.bootenv === 'local',
    appliedGen: nic.desiredGen,
    options: nic.options,
  };
}

/** `stored`: every row of the nodes concerned and of their MACs. Both lists in MAC order. */
export function planEntries(nics: readonly NodeNic[], stored: readonly StoredEntry[]): EntryPlan {
  const known = new Map(stored.map((entry) => [entry.mac, entry]));
  const wanted = new Map(nics.map((nic) => [nic.mac, entryOf(nic)]));
  const write = [...wanted.values()].filter((entry) => !isSame(entry, known.get(entry.mac)));
  const withdraw = stored.filter((entry) => !entry.deleted && !wanted.has(entry.mac)).map((entry) => entry.mac);
  return { write: write.sort((a, b) => (a.mac < b.mac ? -1 : 1)), withdraw: withdraw.sort() };
}

function isSame(entry: Entry, stored: StoredEntry | undefined): boolean {
  return (
    stored !== undefined &&
    !stored.deleted &&
    stored.nodeId === entry.nodeId &&
    stored.hostname === entry.hostname &&
    stored.bootenv === entry.bootenv &&
    stored.bootLocal === entry.bootLocal &&
    stored.appliedGen === entry.appliedGen &&
    stored.options === entry.options
  );
}
