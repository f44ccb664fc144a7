/**
 * Which boot steps are worth remembering when machines say more than can be written: those of whole machines. Half an exchange in a
 * timeline reads like a fault that is none, so in a flood the machines whose steps wait already are told to their end, others
 * are left out until there is room again, and what was left out of a machine is counted. PURE but for its own memory.
 */

/** What waits when a flood begins, and when it is over; the rest of the room is for machines that are under way. */
const BEGINS_AT = 0.75;
const ENDS_AT = 0.5;
/** Machines whose steps are counted; past it a flood of invented MACs is under way. */
const COUNTED_MAX = 50_000;

export class StepFlood {
  readonly #capacity: number;
  readonly #waiting: () => Iterable<{ readonly mac: string }>;
  readonly #leftOut = new Map<string, { steps: number }>();
  #told: Set<string> | undefined;

  /** `waiting`: the steps that wait to be written, asked for when a flood begins. */
  constructor(capacity: number, waiting: () => Iterable<{ readonly mac: string }>) {
    this.#capacity = capacity;
    this.#waiting = waiting;
  }

  /** Whether steps are left out now. */
  isOn(): boolean {
    return this.#told !== undefined;
  }

  /** Whether a step of this machine is to be remembered while `waiting` others wait; one that is not is counted. */
  admits(mac: string, waiting: number): boolean {
    if (this.#told === undefined) {
      if (waiting < this.#capacity * BEGINS_AT) return true;
      this.#told = new Set();
      for (const step of this.#waiting()) this.#told.add(step.mac);
    } else if (waiting < this.#capacity * ENDS_AT) {
      this.#told = undefined;
      return true;
    }
    if (waiting < this.#capacity && this.#told.has(mac)) return true;
    // No room even for its end: it is not under way any more.
    this.#told.delete(mac);
    const counted = this.#leftOut.get(mac);
    if (counted !== undefined) counted.steps += 1;
    else if (this.#leftOut.size < COUNTED_MAX) this.#leftOut.set(mac, { steps: 1 });
    return false;
  }

  /** How many steps of a machine were left out since this was asked last. */
  takeLeftOut(mac: string): number {
    if (this.#leftOut.size === 0) return 0;
    const counted = this.#leftOut.get(mac);
    this.#leftOut.delete(mac);
    return counted?.steps ?? 0;
  }
}
