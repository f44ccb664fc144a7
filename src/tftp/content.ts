/** What one transfer sends: a file through the cache of pieces, or a few bytes that were rendered for it. */
import type { FileCache } from '../shared/file-cache.js';
import type { OpenFile } from '../shared/safe-path.js';

export type Content = {
  readonly sizeBytes: number;
  /** Copies from `offset` when those bytes are in memory; false when they must be loaded first. The caller stays within the size. */
  copy(target: Buffer, at: number, offset: number, bytes: number): boolean;
  /** Resolves when those bytes can be copied. Rejects when the file cannot be read. */
  load(offset: number, bytes: number): Promise<void>;
  /** Once, at the end; a read under way may still finish. */
  close(): void;
};

export function bytesContent(bytes: Buffer): Content {
  return {
    sizeBytes: bytes.length,
    copy(target, at, offset, count) {
      bytes.copy(target, at, offset, offset + count);
      return true;
    },
    load: () => Promise.resolve(),
    close: () => undefined,
  };
}

/** The file in pieces; the next piece is read while this one is sent. Closes the file's handle at the end. */
export class FileContent implements Content {
  readonly sizeBytes: number;
  readonly #file: OpenFile;
  readonly #cache: FileCache;
  /** Two pieces, because a block may lie across their border; held, so that a cache that is short of room takes them from nobody. */
  readonly #held: { index: number; chunk: Buffer }[] = [];

  constructor(file: OpenFile, cache: FileCache) {
    this.sizeBytes = file.sizeBytes;
    this.#file = file;
    this.#cache = cache;
  }

  /** The file for somebody else, who closes it; this content is of no use any more. */
  handOver(): OpenFile {
    this.#held.length = 0;
    return this.#file;
  }

  copy(target: Buffer, at: number, offset: number, bytes: number): boolean {
    for (let done = 0; done < bytes;) {
      const index = this.#indexOf(offset + done);
      const chunk = this.#find(index);
      if (chunk === undefined) return false;
      const start = offset + done - index * this.#cache.chunkBytes;
      const count = Math.min(bytes - done, chunk.length - start);
      chunk.copy(target, at + done, start, start + count);
      done += count;
    }
    return true;
  }

  async load(offset: number, bytes: number): Promise<void> {
    const first = this.#indexOf(offset);
    const last = this.#indexOf(Math.max(offset, offset + bytes - 1));
    for (let index = first; index <= last; index += 1) if (this.#find(index) === undefined) this.#hold(index, await this.#cache.load(this.#file, index));
  }

  close(): void {
    this.#held.length = 0;
    // A failure to close a file that was only read loses nothing.
    this.#file.handle.close().catch(() => undefined);
  }

  #indexOf(offset: number): number {
    return Math.floor(offset / this.#cache.chunkBytes);
  }

  #find(index: number): Buffer | undefined {
    for (const held of this.#held) if (held.index === index) return held.chunk;
    const chunk = this.#cache.get(this.#file, index);
    if (chunk !== undefined) this.#hold(index, chunk);
    return chunk;
  }

  #hold(index: number, chunk: Buffer): void {
    if (this.#held.unshift({ index, chunk }) > 2) this.#held.pop();
    this.#cache.prefetch(this.#file, index + 1);
  }
}
