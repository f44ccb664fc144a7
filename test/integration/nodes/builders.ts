/** What the tests of nodes begin with: a database with the system deployment, and machines that report. */
import { withTransaction, type Db } from '../../../src/db/client.js';
import { recordBoot } from '../../../src/nodes/boot.js';
import { createNode } from '../../../src/nodes/store.js';
import type { FactsReport } from '../../../src/nodes/discover.js';
import { readEvents } from '../../../src/events/read.js';
import { sequence } from '../../../src/events/sequencer.js';

export async function seedSystemDeployment(db: Db): Promise<number> {
  await db.pool.query(`INSERT INTO deployments (name, system) SELECT 'system', true WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE system)`);
  const { rows } = await db.pool.query<{ id: number }>('SELECT id FROM deployments WHERE system');
  return rows[0].id;
}

export const machineMac = (number: number, nic = 0) => `52:54:00:00:${number.toString(16).padStart(2, '0')}:0${nic}`;
export const machineUuid = (number: number) => `4c4c4544-0051-3510-8052-${number.toString(16).padStart(12, '0')}`;

/** A report of machine `number`, booted from its NIC `nic` of two. */
export function report(
  number: number,
  more: { nic?: number; bootId?: string; uuid?: string; serial?: string; macs?: string[]; address?: string } = {},
): FactsReport {
  const macs = more.macs ?? [machineMac(number, 0), machineMac(number, 1)];
  return {
    address: more.address ?? `127.77.0.${number}`,
    mac: macs[more.nic ?? 0],
    token: { bootenv: 'discovery' },
    facts: {
      boot_id: more.bootId ?? `boot-${number}-a`,
      class: 'discovery',
      uuid: more.uuid ?? machineUuid(number),
      serial: more.serial ?? `SN${number}`,
      vendor: 'Acme',
      product: 'R1',
      arch: 'x86_64',
      cpus: 4,
      memory_bytes: 1024,
      firmware: 'bios',
      nics: macs.map((mac, index) => ({ name: `eth${index}`, mac })),
      disks: [],
      agent_version: '1',
    },
  };
}

/** A node with one NIC that is alive in a boot. */
export async function bootedNode(db: Db, number: number): Promise<number> {
  const { nodeId } = await createNode(db, { name: `n${number}`, macs: [machineMac(number)] });
  await withTransaction(db.pool, (tx) => recordBoot(tx, { nodeId, bootId: `boot-${number}`, bootClass: 'discovery', bootenv: 'discovery', address: null }));
  return nodeId;
}

/** Every event so far, as `kind subject` with its data. */
export async function eventsOf(db: Db, kind: string) {
  await sequence(db.pool);
  return (await readEvents(db.pool, 0, 10_000)).events.filter((event) => event.kind === kind);
}
