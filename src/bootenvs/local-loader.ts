/** The two things that boot the disk of a UEFI machine, with its installer's report in them: GRUB's script, and `local.efi`. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { findPackageRoot } from '../db/package-root.js';
import type { Queryable } from '../db/client.js';
import { readBootSubject } from './boot-query.js';
import { fillReport, readReport, type ReportedLoader } from './local-disk.js';

let script: string | undefined;

/** local-disk.cfg for this machine. Read once: it belongs to the program. */
export function localDiskScript(report: ReportedLoader | undefined): string {
  script ??= readFileSync(path.join(findPackageRoot(), 'src', 'bootenvs', 'local-disk.cfg'), 'utf8');
  return fillReport(script, report);
}

/**
 * `local.efi` for the machine that has the address, null when the set-up has not made one. Whoever asks from elsewhere gets
 * it without the report: what an installer said is that machine's alone.
 */
export async function localLoader(db: Queryable, home: string, asker: { mac: string; address: string }): Promise<Buffer | null> {
  let image: Buffer;
  try {
    image = await readFile(path.join(home, 'loaders', 'local.efi'));
  } catch {
    // Not made: `prybar doctor` says so.
    return null;
  }
  const subject = await readBootSubject(db, asker.mac, asker.address);
  const report = subject.network === null ? undefined : readReport(subject.install?.spec);
  return report === undefined ? image : Buffer.from(fillReport(image.toString('latin1'), report), 'latin1');
}
