/**
 * Who a simulated machine is: everything that is printed on a real one or burnt into it. It follows from its number alone,
 * so that the same rack is the same machines after a restart, whatever the seed.
 */
import { createHash } from 'node:crypto';

export type FirmwareKind = 'bios' | 'uefi';

export type MachineDisk = { name: string; serial: string; sizeBytes: number; rotational: boolean };
export type MachineNic = { name: string; mac: string; carrier: boolean; speedMbps?: number };

export type MachineIdentity = {
  /** Place in the rack, from 1. */
  readonly number: number;
  readonly serial: string;
  /** Lower case with dashes, network byte order, as dmidecode prints it. */
  readonly uuid: string;
  /** MAC of the first NIC, the one it boots from. */
  readonly mac: string;
  readonly firmware: FirmwareKind;
  /** Address of this machine's relay agent (giaddr); the relay's UDP socket is bound to it. */
  readonly relayAddress: string;
  /** Port of the switch the machine hangs on: option 82, sub-option 1. */
  readonly circuitId: string;
  readonly vendor: string;
  readonly product: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly nics: readonly MachineNic[];
  readonly disks: readonly MachineDisk[];
};

/** Machines a rack may hold: what fits between the first relay address, 127.77.128.1, and the last, 127.77.255.254. */
export const MAX_MACHINES = 32_766;

const GIB = 2 ** 30;

/** Models in the rack: bulk compute, with now and then a storage server, as a real row of racks is mixed. */
const MODELS = [
  { product: 'SimServer C1', cpus: 16, memoryGib: 64, diskBytes: 480e9, rotational: false },
  { product: 'SimServer C2', cpus: 64, memoryGib: 256, diskBytes: 960e9, rotational: false },
  { product: 'SimServer S1', cpus: 32, memoryGib: 128, diskBytes: 4e12, rotational: true },
] as const;

/** The identity of machine `number`, 1 to MAX_MACHINES. Every third one is UEFI. */
export function machineIdentity(number: number): MachineIdentity {
  const serial = `SIM${String(number).padStart(4, '0')}`;
  const [model] = [MODELS[number % 7 === 0 ? 2 : number % 4 === 0 ? 1 : 0] ?? MODELS[0]];
  const low = `${hexByte(number >>> 8)}:${hexByte(number)}`;
  const mac = `52:54:77:00:${low}`;
  return {
    number,
    serial,
    uuid: uuidOf(serial),
    mac,
    firmware: number % 3 === 0 ? 'uefi' : 'bios',
    relayAddress: `127.77.${128 + (number >>> 8)}.${number & 255}`,
    circuitId: `rack${1 + Math.floor((number - 1) / 40)}/port${1 + ((number - 1) % 40)}`,
    vendor: 'Prybar Simulator',
    product: model.product,
    cpus: model.cpus,
    memoryBytes: model.memoryGib * GIB,
    nics: [
      { name: 'eth0', mac, carrier: true, speedMbps: 10_000 },
      { name: 'eth1', mac: `52:54:77:80:${low}`, carrier: false },
    ],
    disks: [{ name: model.rotational ? 'sda' : 'nvme0n1', serial: `D-${serial}`, sizeBytes: model.diskBytes, rotational: model.rotational }],
  };
}

/** A version 5-like UUID of the serial number: stable, and different for every machine. RFC 9562 section 5.5. */
function uuidOf(serial: string): string {
  const digest = createHash('sha1').update(`prybar simulator ${serial}`).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function hexByte(value: number): string {
  return (value & 255).toString(16).padStart(2, '0');
}
