/** Tells the timeline and the log what the TFTP server saw. Never holds up a packet: whose address it is may be found out later. */
import type { LiveTransfer } from '../nodes/transfers.js';
import type { Logger } from '../shared/logger.js';
import type { TftpEvent, TftpEventKind, TftpFacts } from './events.js';

export type TellerOptions = {
  log: Logger;
  onEvent?: ((event: TftpEvent) => void) | undefined;
  macOf?: ((address: string) => Promise<string | null>) | undefined;
};

const MAX_WARNED = 100;

export class Teller {
  readonly #options: TellerOptions;
  readonly #warned = new Set<string>();

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** A step; numbers of a transfer are those of now. */
  tell(kind: TftpEventKind, address: string, detail: string, facts: TftpFacts, live?: LiveTransfer): void {
    void this.#tell(kind, address, detail, live === undefined ? facts : { ...factsOf(live), ...facts }, live);
  }

  missing(file: string, address: string): void {
    this.tell('tftp-missing', address, `no such file: ${file}`, { file });
    // Once per name, bounded: a scanner must not fill the log.
    if (this.#warned.has(file) || this.#warned.size >= MAX_WARNED) return;
    this.#warned.add(file);
    this.#options.log.warn({ file, address, fix: 'npm run setup' }, 'loader is missing: run npm run setup');
  }

  async #tell(kind: TftpEventKind, address: string, detail: string, facts: TftpFacts, live: LiveTransfer | undefined): Promise<void> {
    const at = new Date();
    const mac = (await this.#options.macOf?.(address)) ?? null;
    if (live !== undefined) live.mac = mac;
    this.#options.onEvent?.({ at, mac, address, kind, phase: kind === 'tftp-refused' ? null : 'tftp', file: facts.file, detail, facts });
  }
}

function factsOf({ file, sizeBytes, blockBytes, windowBlocks, bytes, retransmits }: LiveTransfer): TftpFacts {
  return { file, size: sizeBytes, block_bytes: blockBytes ?? 512, window_blocks: windowBlocks ?? 1, bytes, retransmits };
}
