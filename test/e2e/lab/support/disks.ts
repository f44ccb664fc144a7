/** Disks of emulated machines that say on the serial port that they were booted, and nothing else. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';

const run = promisify(execFile);

export const BOOTED = 'LAB DISK BOOTED';

/** A disk for a BIOS: a boot sector of 8086 code that writes to COM1 and halts. */
export function biosDisk(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const disk = Buffer.alloc(1024 * 1024);
  const code = [
    ...[0x31, 0xc0, 0x8e, 0xd8, 0xfc], // xor ax,ax; mov ds,ax; cld
    ...[0xbe, 0x18, 0x7c], // mov si, 0x7c18
    ...[0xba, 0xf8, 0x03], // mov dx, 0x3f8
    ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // again: lodsb; test al,al; jz halt; out dx,al; jmp again
    ...[0xf4, 0xeb, 0xfd], // halt: hlt; jmp halt
  ];
  Buffer.from(code).copy(disk, 0);
  disk.write(`\n${BOOTED}\n\0`, 0x18, 'latin1');
  disk.writeUInt16LE(0xaa55, 510);
  const file = path.join(folder, 'bios.img');
  writeFileSync(file, disk);
  return `file=${file},format=raw`;
}

/** A disk for UEFI: a FAT file system with the removable path, a GRUB that only speaks. QEMU makes it from a folder. */
export async function uefiDisk(folder: string): Promise<string> {
  const place = path.join(folder, 'esp', 'EFI', 'BOOT');
  mkdirSync(place, { recursive: true });
  const config = path.join(folder, 'speak.cfg');
  writeFileSync(config, `echo ${BOOTED}\nsleep 3600\n`);
  const { 'grub-mkimage': program, 'grub-modules': modules } = await ensureTools(['grub-mkimage', 'grub-modules']);
  const words = ['-O', 'x86_64-efi', '-d', path.dirname(modules.path), '-p', '/', '-c', config, '-o', path.join(place, 'BOOTX64.EFI')];
  await run(program.path, [...words, 'echo', 'sleep', 'normal', 'fat', 'part_msdos'], { env: program.env });
  return `file=fat:rw:${path.join(folder, 'esp')},format=raw`;
}
