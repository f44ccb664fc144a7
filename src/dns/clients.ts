/** Who may ask for names that are not ours: the machines of our networks, loopback, and whom the operator named. No open resolver. */
import { BlockList } from 'node:net';
import { parseAddressBlock } from '../shared/address-block.js';

/** Answers kept; a block list costs a microsecond, a map a tenth of it. */
const MAX_KNOWN = 50_000;

export class Clients {
  #blocks = new BlockList();
  #known = new Map<string, boolean>();

  /** Blocks as text; what is none is left out (the configuration and networks are checked at their doors). */
  allow(blocks: readonly string[]): void {
    const list = new BlockList();
    for (const text of ['127.0.0.0/8', ...blocks]) {
      const block = parseAddressBlock(text);
      if (block !== undefined) list.addSubnet(block.network, block.prefix, block.family);
    }
    this.#blocks = list;
    this.#known = new Map();
  }

  has(address: string): boolean {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    const isAllowed = this.#blocks.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
    this.#known.set(address, isAllowed);
    return isAllowed;
  }
}
