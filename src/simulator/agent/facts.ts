import type { MachineIdentity } from '../identity.js';

export const AGENT_VERSION = 'simulator-1';

/** The class a ramdisk says it is of. */
export type RamdiskClass = 'discovery' | 'maintenance';

/** What a discovery ramdisk reads from SMBIOS, sysfs and lsblk, in the shape of `POST /node/facts`. */
export function factsOf(identity: MachineIdentity, bootId: string, bootClass: RamdiskClass) {
  return {
    boot_id: bootId,
    class: bootClass,
    uuid: identity.uuid,
    serial: identity.serial,
    vendor: identity.vendor,
    product: identity.product,
    arch: 'x86_64',
    cpus: identity.cpus,
    memory_bytes: identity.memoryBytes,
    firmware: identity.firmware,
    nics: identity.nics.map((nic) => ({
      name: nic.name,
      mac: nic.mac,
      carrier: nic.carrier,
      ...(nic.speedMbps === undefined ? {} : { speed: nic.speedMbps }),
    })),
    disks: identity.disks.map((disk) => ({ name: disk.name, serial: disk.serial, size_bytes: disk.sizeBytes, rotational: disk.rotational })),
    agent_version: AGENT_VERSION,
  };
}
