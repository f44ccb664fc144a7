/**
 * Brings the kernel and initrds of a bootenv to their place: from an ISO image, or one file by itself. Nothing is used before
 * its SHA-256 is the one that was asked for; a machine that boots meanwhile gets the old files or the new ones, whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { ValidationError } from '../shared/errors.js';
import type { BootenvDefinition } from './bootenv.js';
import { findIsoFile, type ReadAt } from './iso9660.js';
import { imageDirectory } from './stand-ins.js';

export type ImportWish = {
  home: string;
  definition: BootenvDefinition;
  /** A file of this machine, or an http(s) URL. */
  from: string;
  /** Of what `from` gives, hex. */
  sha256: string;
  /** The payload that `from` itself is; undefined: it is an ISO image. */
  as?: string | undefined;
  signal: AbortSignal;
  /** Bytes so far, and of how many when that is known. */
  onProgress?: (bytes: number, total: number | undefined) => void;
};

export type Imported = { file: string; bytes: number; path: string };

const MAX_IMAGE_BYTES = 32 * 1024 ** 3;
const MAX_PAYLOAD_BYTES = 2 * 1024 ** 3;
const COPY_BYTES = 1024 * 1024;

/** Returns what was placed. Throws ValidationError naming the option that is wrong; nothing is changed then. */
export async function importImage(wish: ImportWish): Promise<Imported[]> {
  const plan = planOf(wish);
  const directory = imageDirectory(wish.home, wish.definition.name);
  await mkdir(directory, { recursive: true });
  // Beside its place, so that the move is one within a file system; hidden, so that it is never served.
  const workplace = await mkdtemp(path.join(directory, '.import-'));
  try {
    const source = isUrl(wish.from) ? path.join(workplace, 'source') : path.resolve(wish.from);
    await fetchAndCheck(wish, isUrl(wish.from) ? source : undefined);
    const placed: Imported[] = [];
    for (const { file, inside } of plan)
      placed.push({ file, bytes: await extract(source, inside, path.join(workplace, `part-${file}`)), path: path.join(directory, file) });
    for (const { file } of plan) await rename(path.join(workplace, `part-${file}`), path.join(directory, file));
    return placed;
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
}

/** Which payloads come from where in the image; `inside` undefined: the file as it is. */
function planOf({ definition, as, sha256 }: ImportWish): { file: string; inside: string | undefined }[] {
  if (!/^[0-9a-fA-F]{64}$/.test(sha256)) throw wrong('sha256', 'the SHA-256 of the file, 64 hex digits; publishers put it beside the file as SHA256SUMS');
  const payloads = [...(definition.kernel === undefined ? [] : [definition.kernel]), ...definition.initrds];
  if (payloads.length === 0) throw wrong('bootenv', `${definition.name} has no kernel: there is nothing to import`);
  if (as !== undefined) {
    if (!payloads.includes(as)) throw wrong('as', `${definition.name} has ${payloads.join(', ')}`);
    return [{ file: as, inside: undefined }];
  }
  const missing = payloads.filter((file) => definition.iso[file] === undefined);
  if (missing.length > 0) {
    throw wrong(
      'iso',
      `bootenv.yml of ${definition.name} does not say where ${missing.join(', ')} lies in its ISO: name the file by --as, or add it under iso:`,
    );
  }
  return payloads.map((file) => ({ file, inside: definition.iso[file] }));
}

function wrong(field: string, message: string): ValidationError {
  return new ValidationError(`${field}: ${message}`, [{ field, message }]);
}

const isUrl = (from: string) => /^https?:\/\//i.test(from);

/** Reads all of it once, keeps it when `keep` names a place, and throws when it is not what was asked for. */
async function fetchAndCheck(wish: ImportWish, keep: string | undefined): Promise<void> {
  const { stream, total } = keep === undefined ? await openFile(wish.from) : await openUrl(wish);
  const hash = createHash('sha256');
  const out = keep === undefined ? undefined : await open(keep, 'wx', 0o644);
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      wish.signal.throwIfAborted();
      bytes += chunk.length;
      if (bytes > MAX_IMAGE_BYTES) throw wrong('from', `more than ${MAX_IMAGE_BYTES} bytes`);
      hash.update(chunk);
      await out?.writeFile(chunk);
      wish.onProgress?.(bytes, total);
    }
  } finally {
    stream.destroy();
    await out?.close();
  }
  const got = hash.digest('hex');
  if (got !== wish.sha256.toLowerCase()) throw wrong('sha256', `${wish.from} has ${got}: it is another file, or it arrived broken`);
}

async function openFile(file: string): Promise<{ stream: Readable; total: number }> {
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw wrong('from', `${file} cannot be read (${cause.code ?? cause.message})`);
  });
  const stat = await handle.stat();
  await handle.close();
  if (!stat.isFile()) throw wrong('from', `${file} is no file`);
  return { stream: createReadStream(file, { highWaterMark: COPY_BYTES }), total: stat.size };
}

async function openUrl({ from, signal }: ImportWish): Promise<{ stream: Readable; total: number | undefined }> {
  const answer = await fetch(from, { signal }).catch((cause: unknown) => {
    throw wrong('url', `${from} cannot be reached (${cause instanceof Error ? cause.message : String(cause)})`);
  });
  if (!answer.ok || answer.body === null) throw wrong('url', `${from} answers ${answer.status}`);
  const length = Number(answer.headers.get('content-length') ?? Number.NaN);
  return { stream: Readable.from(chunksOf(answer.body)), total: Number.isFinite(length) ? length : undefined };
}

type Body = { getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>; cancel(): Promise<void> } };

async function* chunksOf(body: Body): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value === undefined) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}

/** Copies the file out of the image, or all of it. Returns its length. */
async function extract(source: string, inside: string | undefined, target: string): Promise<number> {
  const handle = await open(source, 'r');
  try {
    const { size } = await handle.stat();
    const read: ReadAt = (offset, bytes) => readFully(handle, offset, Math.min(bytes, Math.max(0, size - offset)));
    const found = inside === undefined ? { ok: true as const, value: { offset: 0, bytes: size } } : await findIsoFile(read, size, inside);
    if (!found.ok) throw wrong('iso', found.error);
    const { offset, bytes } = found.value;
    if (bytes > MAX_PAYLOAD_BYTES || bytes === 0) throw wrong('from', `${inside ?? source} has ${bytes} bytes: no kernel or initrd`);
    const out = await open(target, 'wx', 0o644);
    try {
      for (let at = 0; at < bytes; at += COPY_BYTES) await out.writeFile(await read(offset + at, Math.min(COPY_BYTES, bytes - at)));
      await out.sync();
    } finally {
      await out.close();
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

async function readFully(handle: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const content = Buffer.alloc(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(content, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return content.subarray(0, filled);
}
