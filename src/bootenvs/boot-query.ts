/** What the database says about a machine that asks for its script: one statement, read at fetch time (engine-rules 6, last gate). */
import type { Queryable } from '../db/client.js';
import { batched } from '../shared/batched.js';
import type { InstallState } from './decide.js';

export type BootSubject = {
  node: { id: number; name: string; bootenv: string; deleting: boolean; arch: string; uuid: string | null; serial: string | null } | null;
  install: (InstallState & { spec: unknown }) | null;
  /** The network on which the address is leased to, or reserved for, this MAC; null when it is not, or when the MAC is at home on another. */
  network: { domain: string; dns: string[]; router: string | null } | null;
  /** Names of the networks where the MAC has its own address, when this one is leased to it on another; null otherwise. */
  home: string | null;
  /** The address is nobody's here, and another server gives addresses on some of the networks. */
  maybeElsewhere: boolean;
};

/** A row of boot_subjects (prisma/functions/84_boot_subjects.sql). Without a node all of its columns are null, and so on. */
type Row = {
  node_id: number | null;
  name: string;
  bootenv: string;
  deleting: boolean;
  arch: string;
  uuid: string | null;
  serial: string | null;
  install_id: number | null;
  install_bootenv: string;
  install_status: InstallState['status'];
  fetches: number;
  spec: unknown;
  network_id: number | null;
  domain: string;
  dns: string[];
  router: string | null;
  elsewhere: boolean;
  home: string | null;
};

export type BootQuestion = { mac: string; address: string };

/** Questions of one statement at most: a rack that boots at once asks together. */
const BATCH_MAX = 100;

const readers = new WeakMap<Queryable, (asked: BootQuestion) => Promise<BootSubject>>();

/**
 * Reads node, latest install and lease. Machines that ask at the same time share a statement that begins after the last of
 * them asked, so that each is answered with what is true now. Throws what the database throws.
 */
export function readBootSubject(db: Queryable, mac: string, address: string): Promise<BootSubject> {
  let reader = readers.get(db);
  if (reader === undefined) {
    reader = batched((asked: readonly BootQuestion[]) => readBootSubjects(db, asked), { batchMax: BATCH_MAX, atOnce: 2 });
    readers.set(db, reader);
  }
  return reader({ mac, address });
}

/** In the order of the questions. */
export async function readBootSubjects(db: Queryable, asked: readonly BootQuestion[]): Promise<BootSubject[]> {
  const { rows } = await db.query<Row>({
    // Named: planned once for each connection.
    name: 'boot-subjects',
    text: 'SELECT * FROM boot_subjects($1, $2)',
    values: [asked.map(({ mac }) => mac), asked.map(({ address }) => address)],
  });
  return rows.map(subjectOf);
}

function subjectOf(row: Row): BootSubject {
  const { node_id: id, name, bootenv, deleting, arch, uuid, serial, install_id: installId, fetches, spec, domain, dns, router } = row;
  return {
    node: id === null ? null : { id, name, bootenv, deleting, arch, uuid, serial },
    install: installId === null ? null : { id: installId, bootenv: row.install_bootenv, status: row.install_status, fetches, spec },
    network: row.network_id === null ? null : { domain, dns, router },
    home: row.home,
    maybeElsewhere: row.elsewhere,
  };
}
