/**
 * Files read in big pieces that are kept in memory while they are wanted: a rack that boots at once asks for the same kernel
 * many times over. Bounded by bytes; what nobody asked for longest goes first. Pieces are never changed once they are there.
 */
import type { OpenFile } from './safe-path.js';

const CHUNK_BYTES = 256 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;

export class FileCache {
  readonly chunkBytes: number;
  readonly #maxBytes: number;
  /** In the order of use, the oldest first. */
  readonly #chunks = new Map<string, Buffer>();
  readonly #loading = new Map<string, Promise<Buffer>>();
  #bytes = 0;

  constructor(options: { chunkBytes?: number; maxBytes?: number } = {}) {
    this.chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The piece when it is in memory. A file that was changed has other pieces. */
  get(file: OpenFile, index: number): Buffer | undefined {
    const key = keyOf(file, index);
    const chunk = this.#chunks.get(key);
    if (chunk === undefined) return undefined;
    this.#chunks.delete(key);
    this.#chunks.set(key, chunk);
    return chunk;
  }

  /** Reads the piece; who asks meanwhile waits for the same read. Rejects when the file cannot be read or became shorter. */
  load(file: OpenFile, index: number): Promise<Buffer> {
    const key = keyOf(file, index);
    const chunk = this.get(file, index);
    if (chunk !== undefined) return Promise.resolve(chunk);
    const before = this.#loading.get(key);
    if (before !== undefined) return before;
    const loading = this.#read(file, index)
      .then((read) => {
        this.#keep(key, read);
        return read;
      })
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return loading;
  }

  /** Begins to read the piece if it is in the file and not there yet. What fails is told to who wants it. */
  prefetch(file: OpenFile, index: number): void {
    if (index * this.chunkBytes < file.sizeBytes && !this.#chunks.has(keyOf(file, index))) this.load(file, index).catch(() => undefined);
  }

  async #read(file: OpenFile, index: number): Promise<Buffer> {
    const offset = index * this.chunkBytes;
    const chunk = Buffer.allocUnsafeSlow(Math.min(this.chunkBytes, file.sizeBytes - offset));
    let filled = 0;
    while (filled < chunk.length) {
      const { bytesRead } = await file.handle.read(chunk, filled, chunk.length - filled, offset + filled);
      // A file that shrinks under us must not look complete to the client.
      if (bytesRead === 0) throw new Error('the file became shorter while it was read');
      filled += bytesRead;
    }
    return chunk;
  }

  #keep(key: string, chunk: Buffer): void {
    this.#chunks.set(key, chunk);
    this.#bytes += chunk.length;
    for (const [oldest, old] of this.#chunks) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#chunks.delete(oldest);
      this.#bytes -= old.length;
    }
  }
}

const keyOf = (file: OpenFile, index: number): string => `${index} ${file.sizeBytes} ${file.modifiedMs} ${file.path}`;
