/** Which of a kernel's modules the ramdisk takes along: what reaches a disk, a network or the BMC, and what those stand on. */

/** Paths below /lib/modules/<version>/kernel, as beginnings. */
const WANTED = [
  'drivers/net/ethernet/',
  'drivers/net/phy/',
  'drivers/net/virtio_net.ko',
  'drivers/net/vmxnet3/',
  'drivers/net/hyperv/',
  'drivers/net/usb/',
  'drivers/ata/',
  'drivers/nvme/',
  'drivers/block/virtio_blk.ko',
  'drivers/block/xen-blkfront.ko',
  'drivers/scsi/',
  'drivers/message/fusion/',
  'drivers/virtio/',
  'drivers/hv/',
  'drivers/usb/host/',
  'drivers/usb/storage/',
  'drivers/hid/usbhid/',
  'drivers/hid/hid-generic.ko',
  'drivers/mmc/',
  'drivers/char/ipmi/',
  'drivers/char/hw_random/virtio-rng.ko',
  'drivers/watchdog/iTCO_wdt.ko',
  'drivers/md/raid',
  'drivers/md/dm-mod.ko',
  'fs/ext4/',
  'fs/xfs/',
  'fs/fat/',
  'fs/nls/nls_cp437.ko',
  'fs/nls/nls_ascii.ko',
  'fs/nls/nls_iso8859-1.ko',
  'fs/nls/nls_utf8.ko',
  'fs/efivarfs/',
  'net/packet/',
];

/** Of no use before an operating system, and large. */
const UNWANTED = ['drivers/scsi/qla2xxx/tcm', 'drivers/net/ethernet/mellanox/mlxsw/', 'drivers/net/ethernet/netronome/', 'drivers/scsi/fcoe/'];

/** Each module with what it needs, as modules.dep has them (modules.dep(5)). @param {string} text @returns {Map<string, string[]>} */
export function parseDependencies(text) {
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [name = '', needs = ''] = line.split(':');
        return /** @type {const} */ ([name.trim(), needs.split(' ').filter((word) => word !== '')]);
      }),
  );
}

/** The wanted modules and all they stand on, sorted. @param {Map<string, string[]>} dependencies */
export function chooseModules(dependencies) {
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @param {string} name */
  const take = (name) => {
    if (chosen.has(name)) return;
    chosen.add(name);
    for (const need of dependencies.get(name) ?? []) take(need);
  };
  for (const name of dependencies.keys()) {
    const path = name.replace(/^kernel\//, '');
    if (WANTED.some((wanted) => path.startsWith(wanted)) && !UNWANTED.some((unwanted) => path.startsWith(unwanted))) take(name);
  }
  return [...chosen].sort();
}
