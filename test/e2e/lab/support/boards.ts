/** What an emulated machine is soldered of: its processor, its firmware, and how that firmware boots from the network. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';

/**
 * BIOS boots by iPXE in the network card's ROM, UEFI by its own PXE. `uefi-secure` has Secure Boot on and Microsoft's keys
 * enrolled, as machines are sold; `uefi-ia32` is firmware of 32 bits, `uefi-arm64` another processor.
 */
export type Firmware = 'bios' | 'uefi' | 'uefi-secure' | 'uefi-ia32' | 'uefi-arm64';

type ToolName = 'qemu' | 'qemu-arm' | 'ovmf' | 'ovmf-ia32' | 'aavmf' | 'ipxe-qemu';
type Flash = { code: string; variables: string };
/** `flash`: files beside the firmware's tool, for code and an empty set of variables. `needsGuard`: code that insists on it. */
type Kind = {
  emulator: 'qemu' | 'qemu-arm';
  also: ToolName;
  machine: readonly string[];
  flash?: Flash;
  isGuarded?: boolean;
};

const PC = ['-machine', 'q35,graphics=off', '-cpu', 'max', '-vga', 'none'] as const;
/** With system management mode, in which alone the variables of the firmware may be written. */
const GUARDED_PC = ['-machine', 'q35,graphics=off,smm=on', '-cpu', 'max', '-vga', 'none'] as const;

const KINDS: Readonly<Record<Firmware, Kind>> = {
  bios: { emulator: 'qemu', also: 'ipxe-qemu', machine: PC },
  uefi: { emulator: 'qemu', also: 'ovmf', machine: PC, flash: { code: 'OVMF_CODE_4M.fd', variables: 'OVMF_VARS_4M.fd' } },
  'uefi-secure': {
    emulator: 'qemu',
    also: 'ovmf',
    machine: GUARDED_PC,
    flash: { code: 'OVMF_CODE_4M.ms.fd', variables: 'OVMF_VARS_4M.ms.fd' },
    isGuarded: true,
  },
  'uefi-ia32': {
    emulator: 'qemu',
    also: 'ovmf-ia32',
    machine: GUARDED_PC,
    flash: { code: 'OVMF32_CODE_4M.secboot.fd', variables: 'OVMF32_VARS_4M.fd' },
    isGuarded: true,
  },
  'uefi-arm64': {
    emulator: 'qemu-arm',
    also: 'aavmf',
    machine: ['-machine', 'virt', '-cpu', 'cortex-a57'],
    flash: { code: 'AAVMF_CODE.fd', variables: 'AAVMF_VARS.fd' },
  },
};

export type Board = { program: string; env: NodeJS.ProcessEnv; words: string[] };

/** Programs and firmware of these machines, fetched when they are not there. */
export async function ensureBoards(firmwares: readonly Firmware[]): Promise<void> {
  await ensureTools([...new Set(firmwares.flatMap((name) => [KINDS[name].emulator, KINDS[name].also]))]);
}

/** The emulator's program and its words for the board; `folder` takes the variables of this one machine. */
export async function boardOf(firmware: Firmware, folder: string): Promise<Board> {
  const { emulator, also, machine, flash, isGuarded = false } = KINDS[firmware];
  const tools = await ensureTools([emulator, also]);
  const { path: program, env } = tools[emulator];
  const guard = isGuarded ? ['-global', 'driver=cfi.pflash01,property=secure,value=on', '-global', 'ICH9-LPC.disable_s3=1'] : [];
  const words = [...machine, ...romFolders(program), ...guard];
  if (flash === undefined) return { program, env, words };
  const place = path.dirname(tools[also].path);
  const variables = path.join(folder, 'vars.fd');
  copyFileSync(path.join(place, flash.variables), variables);
  const code = ['-drive', `if=pflash,format=raw,readonly=on,file=${path.join(place, flash.code)}`];
  return { program, env, words: [...words, ...code, '-drive', `if=pflash,format=raw,file=${variables}`] };
}

/** An unpacked QEMU looks for its ROMs where the system's would be. */
function romFolders(program: string): string[] {
  const root = path.resolve(path.dirname(program), '../..');
  if (root === '/') return [];
  return ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu'].flatMap((folder) => ['-L', path.join(root, folder)]);
}
