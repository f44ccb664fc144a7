/**
 * What firmware loads first, in one folder (netboot-rules 14 and 15): iPXE is debian-tools.mjs's; here are GRUB for the machines
 * that have no iPXE in Debian, the pair shim and GRUB for Secure Boot, and `local.efi`, which boots the disk of a UEFI machine.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FILE, packCpio } from './cpio.mjs';
import { unpackPackages } from './debian-archive.mjs';
import { ensureTools, loadersDirectory } from './debian-tools.mjs';
import { withLock } from './lock.mjs';
import { inProject } from './project.mjs';
import { run, step } from './step.mjs';

/**
 * Copied as they are. GRUB's netboot images look for `grub/grub.cfg` on the server they came from; shim loads `grubx64.efi`
 * from beside itself.
 */
const COPIED = [
  { loader: 'grubia32.efi', file: 'usr/lib/grub/i386-efi/monolithic/grubnetia32.efi' },
  { loader: 'grubaa64.efi', file: 'usr/lib/grub/arm64-efi/monolithic/grubnetaa64.efi' },
  { loader: 'shimx64.efi', file: 'usr/lib/shim/shimx64.efi.signed' },
  { loader: 'grubx64.efi', file: 'usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed' },
  { loader: 'mmx64.efi', file: 'usr/lib/shim/mmx64.efi.signed' },
];

/** Made here, one for each architecture whose iPXE can start it. */
const LOCAL = [{ loader: 'local.efi', format: 'x86_64-efi' }];

/** All that local-disk.cfg calls, and what finds and reads an EFI system partition. */
const MODULES =
  'part_gpt part_msdos fat search search_fs_file search_fs_uuid search_label chain normal configfile test echo sleep minicmd newc memdisk halt reboot regexp'.split(
    ' ',
  );

const PACKAGES = ['grub-efi-ia32-bin', 'grub-efi-amd64-bin', 'grub-efi-arm64-bin:arm64', 'grub-efi-amd64-signed', 'shim-signed', 'shim-helpers-amd64-signed'];

/** Names below the loaders' folder that this file places. */
export const grubLoaders = [...COPIED, ...LOCAL].map(({ loader }) => loader);

/** A loader is moved to its place: a machine must never be given half of one. @param {string} from @param {string} loader */
function place(from, loader) {
  copyFileSync(from, join(loadersDirectory, `${loader}.partial`));
  renameSync(join(loadersDirectory, `${loader}.partial`), join(loadersDirectory, loader));
}

/** @param {string} root unpacked packages @param {string} format @param {string} out */
async function makeLocal(root, format, out) {
  const workplace = mkdtempSync(join(tmpdir(), 'prybar-grub-'));
  try {
    // The first parser of GRUB knows no `if`: it only starts the full one, on a file in the image's own memory disk.
    writeFileSync(join(workplace, 'early.cfg'), 'normal (memdisk)/grub.cfg\n');
    const config = readFileSync(inProject('src/bootenvs/local-disk.cfg'));
    writeFileSync(join(workplace, 'memdisk'), packCpio([{ name: 'grub.cfg', mode: FILE | 0o644, data: config }]));
    const files = ['-c', join(workplace, 'early.cfg'), '-m', join(workplace, 'memdisk'), '-o', out];
    const { 'grub-mkimage': program } = await ensureTools(['grub-mkimage']);
    await run(program.path, ['-O', format, '-d', join(root, 'usr/lib/grub', format), '-p', '(memdisk)/', ...files, ...MODULES], { env: program.env });
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** Makes every loader of `grubLoaders` exist. Cheap when they do; `anew` makes them all the same. @param {{ anew?: boolean }} [options] */
export async function ensureLoaders({ anew = false } = {}) {
  await ensureTools(['ipxe']);
  const isComplete = () => !anew && grubLoaders.every((loader) => existsSync(join(loadersDirectory, loader)));
  if (isComplete()) return;
  await withLock(`loaders ${loadersDirectory}`, async () => {
    if (isComplete()) return;
    const root = mkdtempSync(join(tmpdir(), 'prybar-loaders-'));
    try {
      await step("fetching GRUB and shim from Debian's archive", (note) => unpackPackages(PACKAGES, root, { note, alone: true, architectures: ['arm64'] }));
      mkdirSync(loadersDirectory, { recursive: true });
      for (const { loader, file } of COPIED) place(join(root, file), loader);
      for (const { loader, format } of LOCAL) {
        const made = join(root, loader);
        await makeLocal(root, format, made);
        place(made, loader);
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}
