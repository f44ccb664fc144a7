/**
 * The door through which a change of what a node boots reaches the DHCP table in the same transaction, so that it is answered
 * from its commit on. The table is the `dhcp-database` role's and nodes know nothing of roles: whoever builds the process hands
 * the role's one writer in together with the database. Without it, or where SQL alone changes a node, the role's hook follows.
 */
import type { Pool, Tx } from '../db/client.js';

/**
 * Brings the entries of these nodes to what the transaction sees of them. It locks the row of the DHCP table, which everybody
 * who changes the table waits for until the commit: call it when every other lock is held.
 */
export type BootTable = (tx: Tx, nodeIds: readonly number[]) => Promise<unknown>;

/** A database together with the table's writer. */
export type Tabled = { pool: Pool; bootTable?: BootTable };
