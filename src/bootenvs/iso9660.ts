/**
 * PURE: finds a file in an ISO 9660 image. ECMA-119. Only the names of the primary volume are read, which cannot point
 * anywhere but into the image: links of Rock Ridge are empty files here (attack 48). Everything is bounded: what an image says
 * about itself is not believed beyond its size.
 */
import { err, ok, type Result } from '../shared/result.js';

/** Bytes of the image at an offset; fewer at its end. */
export type ReadAt = (offset: number, bytes: number) => Promise<Buffer>;

export type IsoFile = { offset: number; bytes: number };

const SECTOR_BYTES = 2048;
/** The first 16 sectors are the system area. ECMA-119 section 6.2.1. */
const FIRST_DESCRIPTOR = 16;
const MAX_DESCRIPTORS = 16;
const MAX_DIRECTORY_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 16;
const PRIMARY = 1;
const TERMINATOR = 255;
const FLAG_DIRECTORY = 0x02;
/** The file goes on in the next record. ECMA-119 section 9.1.6, multi-extent. */
const FLAG_MORE = 0x80;

type Entry = { name: string; offset: number; bytes: number; isDirectory: boolean; isPart: boolean };

/** The file of that path, letters of either case. An error says what is wrong with the image or that there is no such file. */
export async function findIsoFile(read: ReadAt, imageBytes: number, wanted: string): Promise<Result<IsoFile, string>> {
  const root = await readRoot(read);
  if (!root.ok) return root;
  const segments = wanted.split('/').filter((segment) => segment !== '');
  if (segments.length === 0 || segments.length > MAX_DEPTH) return err(`${wanted} is no path of a file`);
  let at: Entry = root.value;
  for (const segment of segments) {
    if (!at.isDirectory) return err(`${wanted}: ${at.name} is no directory`);
    const found = await findIn(read, imageBytes, at, segment);
    if (!found.ok) return found;
    if (found.value === undefined) return err(`the image has no ${wanted}`);
    at = found.value;
  }
  if (at.isDirectory) return err(`${wanted} is a directory`);
  if (at.isPart) return err(`${wanted} lies in several pieces`);
  if (at.bytes === 0) return err(`${wanted} is empty: a link, or no file`);
  if (at.offset + at.bytes > imageBytes) return err(`${wanted} lies outside of the image: it is cut short`);
  return ok({ offset: at.offset, bytes: at.bytes });
}

async function readRoot(read: ReadAt): Promise<Result<Entry, string>> {
  for (let index = 0; index < MAX_DESCRIPTORS; index += 1) {
    const sector = await read((FIRST_DESCRIPTOR + index) * SECTOR_BYTES, SECTOR_BYTES);
    if (sector.length < SECTOR_BYTES || sector.toString('latin1', 1, 6) !== 'CD001') break;
    if (sector[0] === TERMINATOR) break;
    // The record of the root directory, 34 bytes at 156. ECMA-119 section 8.4.18.
    const root = sector[0] === PRIMARY ? parseRecord(sector.subarray(156, 190)) : undefined;
    if (root !== undefined) return ok({ ...root, name: '/' });
  }
  return err('this is no ISO 9660 image');
}

async function findIn(read: ReadAt, imageBytes: number, directory: Entry, segment: string): Promise<Result<Entry | undefined, string>> {
  if (directory.bytes > MAX_DIRECTORY_BYTES || directory.offset + directory.bytes > imageBytes) return err(`the directory ${directory.name} is too large`);
  const content = await read(directory.offset, directory.bytes);
  const wanted = segment.toUpperCase();
  let at = 0;
  while (at < content.length) {
    const length = content[at] ?? 0;
    if (length === 0) {
      // A record does not cross a sector: the rest of this one is empty. ECMA-119 section 6.8.1.1.
      at = (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
      continue;
    }
    const entry = parseRecord(content.subarray(at, at + length));
    if (entry === undefined) return err(`the directory ${directory.name} is broken`);
    if (entry.name.toUpperCase() === wanted) return ok(entry);
    at += length;
  }
  return ok(undefined);
}

/** A directory record, ECMA-119 section 9.1; undefined when it is shorter than what it says. */
function parseRecord(record: Buffer): Entry | undefined {
  const nameBytes = record[32];
  if (nameBytes === undefined || record.length < 33 + nameBytes) return undefined;
  const flags = record[25] ?? 0;
  // Version and the dot of a name without an extension are no part of what people call it: `VMLINUZ.;1`.
  const name = record
    .toString('latin1', 33, 33 + nameBytes)
    .replace(/;\d+$/, '')
    .replace(/\.$/, '');
  return {
    name,
    offset: record.readUInt32LE(2) * SECTOR_BYTES,
    bytes: record.readUInt32LE(10),
    isDirectory: (flags & FLAG_DIRECTORY) !== 0,
    isPart: (flags & FLAG_MORE) !== 0,
  };
}
