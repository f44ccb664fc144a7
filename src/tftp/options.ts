/** PURE: which options of a request are granted. What is out of range is left out of the OACK, which means the default (RFC 2347 section 2). */

export type TransferLimits = {
  /** Largest block, bytes: the path MTU less 32 for IP and UDP headers and the TFTP header (netboot-rules 3). */
  maxBlockBytes: number;
  maxWindowBlocks: number;
};

export type Agreed = {
  blockBytes: number;
  windowBlocks: number;
  timeoutSeconds: number;
  /** What the OACK says; empty: no OACK, DATA at once. */
  granted: ReadonlyMap<string, number>;
};

const DEFAULT_BLOCK_BYTES = 512;
const DEFAULT_TIMEOUT_SECONDS = 1;
/** Longer ones would only keep a dead transfer. RFC 2349 allows 255. */
const MAX_TIMEOUT_SECONDS = 30;

/** Grants blksize (RFC 2348), windowsize (RFC 7440), timeout and tsize (RFC 2349), each clamped to what we do. */
export function agreeOptions(asked: ReadonlyMap<string, string>, sizeBytes: number, limits: TransferLimits): Agreed {
  const granted = new Map<string, number>();
  const block = numberWithin(asked.get('blksize'), 8, 65_464);
  if (block !== undefined) granted.set('blksize', Math.min(block, limits.maxBlockBytes));
  const window = numberWithin(asked.get('windowsize'), 1, 65_535);
  if (window !== undefined) granted.set('windowsize', Math.min(window, limits.maxWindowBlocks));
  // The value must come back as asked or not at all.
  const timeout = numberWithin(asked.get('timeout'), 1, MAX_TIMEOUT_SECONDS);
  if (timeout !== undefined) granted.set('timeout', timeout);
  // A reader sends 0 and is told the size.
  if (numberWithin(asked.get('tsize'), 0, Number.MAX_SAFE_INTEGER) !== undefined) granted.set('tsize', sizeBytes);
  return {
    blockBytes: granted.get('blksize') ?? DEFAULT_BLOCK_BYTES,
    windowBlocks: granted.get('windowsize') ?? 1,
    timeoutSeconds: timeout ?? DEFAULT_TIMEOUT_SECONDS,
    granted,
  };
}

function numberWithin(text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}
