/** The real discovery image, built once and kept under .prybar/lab. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { fingerprint, inProject, isStamped, listFiles } from '../../../../scripts/lib/project.mjs';

const run = promisify(execFile);

/** Puts kernel and ramdisk for virtual machines into an installation's home. */
export async function addDiscoveryImage(home: string): Promise<void> {
  const cache = inProject('.prybar/lab');
  const stamp = path.join(cache, 'images.stamp');
  const wanted = fingerprint(listFiles(['src/bootenvs/ramdisk', 'scripts/images.mjs', 'scripts/lib']));
  if (!isStamped(stamp, wanted)) {
    mkdirSync(cache, { recursive: true });
    const env = { ...process.env, NODE_OPTIONS: '', PRYBAR_HOME: cache };
    await run(process.execPath, [inProject('scripts/images.mjs'), '--flavour', 'cloud'], { env, cwd: inProject(), timeout: 300_000 });
    writeFileSync(stamp, wanted);
  }
  cpSync(path.join(cache, 'images'), path.join(home, 'images'), { recursive: true });
}
