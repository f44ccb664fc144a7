/** One file of a directory as firmware needs it: never compressed, never chunked, with HEAD, Range and ETag (netboot-rules 12). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openInside, type OpenFile } from '../shared/safe-path.js';
import { parseRange } from './range.js';

/** UEFI HTTP Boot goes by these. UEFI 2.10 section 24.7.3.1. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.efi': 'application/efi',
  '.iso': 'application/vnd.efi-iso',
  '.img': 'application/vnd.efi-img',
  '.txt': 'text/plain; charset=utf-8',
};

const CHUNK_BYTES = 256 * 1024;

export type SentFile = { status: number; bytes: number; complete: boolean };

/** Answers GET or HEAD for the name below `root`; 'absent' when there is no such file, with nothing answered. Rejects when the client goes away. */
export async function sendFile(req: IncomingMessage, res: ServerResponse, root: string, name: string): Promise<SentFile | 'absent'> {
  const file = await openInside(root, name);
  if (file === undefined) return 'absent';
  try {
    return await answer(req, res, file, CONTENT_TYPES[path.extname(name).toLowerCase()] ?? 'application/octet-stream');
  } finally {
    await file.handle.close();
  }
}

async function answer(req: IncomingMessage, res: ServerResponse, file: OpenFile, contentType: string): Promise<SentFile> {
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
  await pipeline(file.handle.createReadStream({ start: first, end: last, autoClose: false, highWaterMark: CHUNK_BYTES }), res);
  return { status: res.statusCode, bytes, complete: last === file.sizeBytes - 1 };
}

function matches(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((part) => part.trim().replace(/^W\//, '') === etag || part.trim() === '*');
}
