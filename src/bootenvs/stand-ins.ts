/**
 * Stand-ins for kernels and initrds: a simulated rack fetches them byte by byte and runs nothing. Written only when the
 * wiring says that there is a rack, never over a file that is there, and labelled in their first bytes.
 */
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BootenvDefinition } from './bootenv.js';

const LABEL = 'PRYBAR STAND-IN: not a kernel, for the simulated rack only\n';
const KERNEL_BYTES = 256 * 1024;
const INITRD_BYTES = 1024 * 1024;

/** Said in the bootenv's problems while one of its files is a stand-in. */
export const STAND_IN_PROBLEM = 'stand-in payload for the simulated rack: a real machine cannot boot it';

/** The directory of a bootenv's kernel and initrds. */
export function imageDirectory(home: string, bootenv: string): string {
  return path.join(home, 'images', bootenv);
}

/** Writes what is missing of each bootenv's kernel and initrds. Safe to repeat. Returns the paths it wrote, below <home>/images. */
export async function ensureStandIns(home: string, bootenvs: readonly BootenvDefinition[]): Promise<string[]> {
  const written: string[] = [];
  for (const bootenv of bootenvs) {
    const wanted = [
      ...(bootenv.kernel === undefined ? [] : [{ file: bootenv.kernel, bytes: KERNEL_BYTES }]),
      ...bootenv.initrds.map((file) => ({ file, bytes: INITRD_BYTES })),
    ];
    for (const { file, bytes } of wanted) {
      const directory = imageDirectory(home, bootenv.name);
      await mkdir(directory, { recursive: true });
      if (await writeMissing(path.join(directory, file), bytes)) written.push(`${bootenv.name}/${file}`);
    }
  }
  return written;
}

/** Written beside its place and moved there, so that a reader never sees half of it. */
async function writeMissing(file: string, bytes: number): Promise<boolean> {
  if ((await payloadKind(file)) !== 'missing') return false;
  const beside = `${file}.${process.pid}.part`;
  await writeFile(beside, Buffer.alloc(bytes, LABEL));
  await rename(beside, file);
  return true;
}

/** What lies at a path: a payload, a stand-in, or nothing that can be served. */
export async function payloadKind(file: string): Promise<'payload' | 'stand-in' | 'missing'> {
  let handle;
  try {
    handle = await open(file, 'r');
  } catch {
    return 'missing';
  }
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(LABEL.length), 0, LABEL.length, 0);
    if (bytesRead === 0) return 'missing';
    return buffer.toString('latin1', 0, bytesRead) === LABEL ? 'stand-in' : 'payload';
  } catch {
    // A directory, or a disk that does not read: nothing to serve.
    return 'missing';
  } finally {
    await handle.close();
  }
}
