/** One file of a directory as firmware needs it: never compressed, never chunked, with HEAD, Range and ETag (netboot-rules 12). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import type { LiveTransfer, LiveTransfers } from '../nodes/transfers.js';
import type { FileCache } from '../shared/file-cache.js';
import { openInside, type OpenFile } from '../shared/safe-path.js';
import { parseRange, type ByteRange } from './range.js';
import { sendRange } from './send-range.js';

/** UEFI HTTP Boot goes by these. UEFI 2.10 section 24.7.3.1. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.efi': 'application/efi',
  '.iso': 'application/vnd.efi-iso',
  '.img': 'application/vnd.efi-img',
  '.txt': 'text/plain; charset=utf-8',
};

/** Through which cache, and where it is shown while it runs; `mac` is the machine's when the address says so. */
export type FileDoor = { cache: FileCache; transfers: LiveTransfers; shownAs: string; address: string; macOf: (address: string) => Promise<string | null> };

export type SentFile = { status: number; bytes: number; complete: boolean };

/** Answers GET or HEAD for the name below `root`; 'absent' when there is no such file, with nothing answered. Rejects when the client goes away. */
export async function sendFile(req: IncomingMessage, res: ServerResponse, door: FileDoor, root: string, name: string): Promise<SentFile | 'absent'> {
  const file = await openInside(root, name);
  if (file === undefined) return 'absent';
  try {
    return await answer(req, res, door, file, CONTENT_TYPES[path.extname(name).toLowerCase()] ?? 'application/octet-stream');
  } finally {
    await file.handle.close();
  }
}

async function answer(req: IncomingMessage, res: ServerResponse, door: FileDoor, file: OpenFile, contentType: string): Promise<SentFile> {
  const etag = `"${file.sizeBytes.toString(16)}-${file.modifiedMs.toString(16)}"`;
  const headers = {
    ETag: etag,
    'Last-Modified': new Date(file.modifiedMs).toUTCString(),
    'Accept-Ranges': 'bytes',
    'Content-Type': contentType,
    'Cache-Control': 'no-cache',
  };
  if (matches(req.headers['if-none-match'], etag)) {
    res.writeHead(304, headers).end();
    return { status: 304, bytes: 0, complete: true };
  }
  // A range of another version of the file is no use: the whole one is sent. RFC 9110 section 13.1.5.
  const ifRange = req.headers['if-range'];
  const range = ifRange !== undefined && ifRange !== etag ? 'all' : parseRange(req.headers.range, file.sizeBytes);
  if (range === 'unsatisfiable') {
    res.writeHead(416, { 'Content-Range': `bytes */${file.sizeBytes}`, 'Content-Length': 0 }).end();
    return { status: 416, bytes: 0, complete: false };
  }
  const whole = range === 'all';
  const first = whole ? 0 : range.first;
  const last = whole ? file.sizeBytes - 1 : range.last;
  const bytes = last - first + 1;
  res.writeHead(whole ? 200 : 206, { ...headers, 'Content-Length': bytes, ...(whole ? {} : { 'Content-Range': `bytes ${first}-${last}/${file.sizeBytes}` }) });
  if (req.method === 'HEAD' || bytes === 0) {
    res.end();
    return { status: res.statusCode, bytes: 0, complete: whole };
  }
  await sendShown(res, door, file, { first, last });
  return { status: res.statusCode, bytes, complete: last === file.sizeBytes - 1 };
}

/** Sends with the transfer in sight of whoever looks. */
async function sendShown(res: ServerResponse, door: FileDoor, file: OpenFile, range: ByteRange): Promise<void> {
  const { transfers, address } = door;
  const live: LiveTransfer = transfers.begin({ protocol: 'http', address, file: door.shownAs, sizeBytes: range.last - range.first + 1 });
  void door.macOf(address).then((mac) => (live.mac = mac));
  try {
    await sendRange(res, file, door.cache, range, (bytes) => (live.bytes += bytes));
    transfers.end(live, 'done');
  } catch (error) {
    transfers.end(live, res.destroyed ? 'aborted' : 'failed', error instanceof Error ? error.message : String(error));
    throw error;
  }
}

function matches(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((part) => part.trim().replace(/^W\//, '') === etag || part.trim() === '*');
}
