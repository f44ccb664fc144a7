/** What every kind of external server does: bring itself to what is wanted, and prove that it answers so. */
import type { HostRecord } from '../host-records.js';

export type BackEnd = {
  /**
   * Brings the server to these machines and returns once it has proven to answer so; how many things it had to write. Safe to
   * repeat: what is right already is left alone. Throws with a sentence for the operator; it will be called again.
   */
  apply(hosts: readonly HostRecord[], withdrawn: readonly string[]): Promise<number>;
  close(): Promise<void>;
};
