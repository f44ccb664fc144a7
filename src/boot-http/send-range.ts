/** The bytes of a file into an answer, piece by piece through the cache: while one piece is on its way the next is read. */
import type { ServerResponse } from 'node:http';
import type { FileCache } from '../shared/file-cache.js';
import type { OpenFile } from '../shared/safe-path.js';
import type { ByteRange } from './range.js';

/**
 * Sends `first` to `last` and ends the answer. `onSent` is told of bytes the kernel has taken. Rejects when the client goes away
 * or the file cannot be read; the answer is then left as it is.
 */
export async function sendRange(
  res: ServerResponse,
  file: OpenFile,
  cache: FileCache,
  { first, last }: ByteRange,
  onSent: (bytes: number) => void,
): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  for (let offset = first; offset <= last;) {
    const index = Math.floor(offset / cache.chunkBytes);
    const chunk = cache.get(file, index) ?? (await cache.load(file, index));
    cache.prefetch(file, index + 1);
    const start = offset - index * cache.chunkBytes;
    const piece = start === 0 && offset + chunk.length <= last + 1 ? chunk : chunk.subarray(start, Math.min(chunk.length, start + last - offset + 1));
    const written = write(res, piece).then(() => onSent(piece.length));
    // Nobody may be waiting for it yet when the client goes away.
    written.catch(() => undefined);
    await before;
    before = written;
    offset += piece.length;
  }
  await before;
  await new Promise<void>((resolve) => {
    res.end(resolve);
  });
}

function write(res: ServerResponse, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the client went away'));
    if (res.destroyed || res.socket?.destroyed !== false) {
      gone();
      return;
    }
    // A write under way when the connection is cut is not always called back.
    res.once('close', gone);
    res.write(piece, (error) => {
      res.off('close', gone);
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
