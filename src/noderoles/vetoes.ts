/**
 * The door through which roles may refuse a bind or a commit (engine-rules 19). Binding and committing know nothing of
 * hooks: whoever builds the process hands in a `VetoPort` (`src/hooks/veto.ts`) together with the database.
 */
import type { Pool, Tx } from '../db/client.js';

/** What is about to be: the noderoles are rows already, in the transaction that asks. */
export type VetoSubject = { deploymentId: number; nodeRoleIds: readonly number[] };

/** Each resolves when nobody objects and throws ConflictError `vetoed` with the role's reason otherwise. Changes nothing. */
export type VetoPort = {
  onNodeBind(tx: Tx, subject: VetoSubject): Promise<void>;
  onCommit(tx: Tx, subject: VetoSubject): Promise<void>;
};

/** A database together with who may object; without `vetoes` nobody does. */
export type Governed = { pool: Pool; vetoes?: VetoPort };
