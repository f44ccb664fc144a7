/** Who may have one more transfer: a cap for each address and one for all, so that nobody holds more than a share (attack 4). */

export class Admission {
  readonly #total: number;
  readonly #perAddress: number;
  readonly #held = new Map<string, number>();
  #count = 0;

  constructor(caps: { total: number; perAddress: number }) {
    this.#total = caps.total;
    this.#perAddress = caps.perAddress;
  }

  /** Takes a place, given back by `leave`; false when there is none. */
  enter(address: string): boolean {
    const held = this.#held.get(address) ?? 0;
    if (this.#count >= this.#total || held >= this.#perAddress) return false;
    this.#count += 1;
    this.#held.set(address, held + 1);
    return true;
  }

  leave(address: string): void {
    const held = this.#held.get(address) ?? 0;
    if (held === 0) return;
    this.#count -= 1;
    if (held === 1) this.#held.delete(address);
    else this.#held.set(address, held - 1);
  }
}
