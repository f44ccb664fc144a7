/**
 * PURE: how a UEFI machine boots its disk (netboot-rules 15): one GRUB script with two values in it, the loader and the ESP
 * that the installer reported. The script is in `local-disk.cfg`; set-up packs it into `local.efi` (scripts/lib/loaders.mjs).
 */

/** What the installer said, as it was stored. */
export type ReportedLoader = { loaderPath: string; espUuid: string };

/** Volume id of a FAT file system as `search --fs-uuid` takes it. */
const ESP_UUID = /^[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}$/;
/** What no reader of the script takes for anything but a path. */
const LOADER_PATH = /^(\/[A-Za-z0-9._-]+)+$/;

/** A field of the script: its mark, and blanks up to the closing quote. */
const FIELDS = { espUuid: /@ESP-UUID@ */, loaderPath: /@LOADER-PATH@ */ } as const;

/** The report of an install's spec, undefined when it has none or says what cannot be used: it comes from the machine. */
export function readReport(spec: unknown): ReportedLoader | undefined {
  if (typeof spec !== 'object' || spec === null || !('report' in spec)) return undefined;
  const report = spec.report as Record<string, unknown> | null;
  const loaderPath = report?.['loader_path'];
  const espUuid = report?.['esp_uuid'];
  if (typeof loaderPath !== 'string' || typeof espUuid !== 'string') return undefined;
  // Firmware writes paths with backslashes; GRUB reads slashes.
  const path = loaderPath.replaceAll('\\', '/');
  return LOADER_PATH.test(path) && !path.split('/').includes('..') && ESP_UUID.test(espUuid) ? { loaderPath: path, espUuid: espUuid.toUpperCase() } : undefined;
}

/**
 * The script, or an image that holds it, with the report in place of the marks; every field keeps its length, so an image
 * stays what it is. The text unchanged when there is no report, when it does not fit or when the marks are not there once.
 */
export function fillReport(text: string, report: ReportedLoader | undefined): string {
  if (report === undefined) return text;
  let filled = text;
  for (const name of ['espUuid', 'loaderPath'] as const) {
    const [found, ...more] = text.matchAll(new RegExp(FIELDS[name], 'g'));
    if (found === undefined || more.length > 0 || report[name].length > found[0].length) return text;
    filled = filled.replace(FIELDS[name], report[name].padEnd(found[0].length));
  }
  return filled;
}
