/** PURE: the words that follow the kernel's name, the same for iPXE, GRUB and PXELINUX. */
import { macWithDashes } from '../shared/mac.js';
import { cmdline } from './filters.js';
import type { KernelSubject } from './script-subject.js';

/** In the order they are written; none has a blank in it. The token is among them because the ramdisk has nothing else. */
export function kernelWords({ bootenv, baseUrl, token, mac, args }: KernelSubject): string[] {
  return [
    // The EFI stub finds its initrd by this name only (testbed 3); harmless on a BIOS.
    ...bootenv.initrds.map((initrd) => `initrd=${initrd}`),
    `prybar.url=${baseUrl}`,
    `prybar.token=${token}`,
    // Pins the NIC: a machine's first NIC may be dead (netboot-rules 13).
    `BOOTIF=01-${macWithDashes(mac)}`,
    `prybar.bootenv=${cmdline(bootenv.name).text}`,
    `prybar.class=${bootenv.kind}`,
    ...args.split(/\s+/).filter((word) => word !== ''),
  ];
}
