/**
 * One simulated server: its power button, what its disk keeps, and the endless circle of a machine that is on. What happens
 * within one boot is `boot/one-boot.ts`. It knows our servers only by their sockets and imports no server code, so what it
 * gets to boot on is proof.
 *
 * One power-on is one AbortController: taking the power aborts it, and every stage of the boot ends by that signal. That is
 * how "the machine is dead at once" holds without any stage knowing about power.
 */
import { setMaxListeners } from 'node:events';
import { BootFailure } from './boot-failure.js';
import { bootOnce, type BootContext } from './boot/one-boot.js';
import { createCounters, type Counters } from './counters.js';
import type { MachineIdentity } from './identity.js';
import { pauseAfter, type MachinePhase } from './life.js';
import { pause } from './pause.js';
import { createRandom, jitter } from './random.js';
import type { SavedMachine } from './state-files.js';

export type NextBoot = SavedMachine['nextBoot'];

export type MachineOptions = Pick<BootContext, 'identity' | 'servers' | 'timing' | 'faults' | 'gate'> & {
  seed: string;
  /** What the files say; undefined for a machine that was never on. */
  saved: SavedMachine | undefined;
  save: (saved: SavedMachine) => Promise<void>;
  onPhase: (machine: Machine) => void;
  onComplaint: (machine: Machine, text: string) => void;
};

/** A picture of the machine; `node` is set while an agent runs. */
export type MachineStatus = {
  serial: string;
  mac: string;
  power: 'on' | 'off';
  next_boot: NextBoot;
  phase: MachinePhase;
  detail: string;
  address: string | null;
  installed: string | null;
  node: { id: number; name: string } | null;
};

/** Between the two halves of a power cycle, as a real supply needs to drain. */
const CYCLE_PAUSE_MS = 200;

export class Machine {
  readonly identity: MachineIdentity;
  readonly counters: Counters = createCounters();
  readonly #options: MachineOptions;
  readonly #context: BootContext;
  #saved: SavedMachine;
  #phase: MachinePhase = 'off';
  #detail = '';
  #node: { id: number; name: string } | null = null;
  /** The power that is on now. */
  #power: AbortController | undefined;
  /** The end of the last power-on: a new one begins after it. */
  #ended: Promise<void> = Promise.resolve();
  #cycle: NodeJS.Timeout | undefined;

  constructor(options: MachineOptions) {
    const { identity, servers, timing, faults, gate, seed, saved } = options;
    this.#options = options;
    this.identity = identity;
    this.#saved = saved ?? { serial: identity.serial, power: 'on', nextBoot: null, address: null, disk: null, installing: null };
    this.#context = {
      identity,
      servers,
      timing,
      faults,
      gate,
      random: createRandom(`${seed} ${identity.serial}`),
      counters: this.counters,
      saved: () => this.#saved,
      keep: async (change) => this.#keep(change),
      show: (phase, detail) => this.#show(phase, detail),
      complain: (text) => this.#complain(text),
      recognised: (node) => {
        this.#node = node;
      },
    };
  }

  get status(): MachineStatus {
    const { serial, mac } = this.identity;
    return {
      serial,
      mac,
      power: this.#power === undefined ? 'off' : 'on',
      next_boot: this.#saved.nextBoot,
      phase: this.#phase,
      detail: this.#detail,
      address: this.#saved.address,
      installed: this.#saved.disk?.bootenv ?? null,
      node: this.#node,
    };
  }

  /** The mains return: a machine that was on when they went comes up, as "restore last state" in a BIOS. */
  start(): void {
    if (this.#saved.power === 'on') this.#powerOn();
  }

  /** The power button. Nothing happens to a machine that is on. */
  async on(): Promise<void> {
    clearTimeout(this.#cycle);
    this.#powerOn();
    await this.#keep({ power: 'on' });
  }

  /** Power gone, at once: when this resolves nothing of the machine runs and none of its sockets is open. */
  async off(): Promise<void> {
    clearTimeout(this.#cycle);
    await this.#powerOff();
    await this.#keep({ power: 'off', installing: null });
  }

  /** Off, and on after 200 ms. A machine that is off is turned on, as BMCs do. Resolves when it is off. */
  async cycle(): Promise<void> {
    clearTimeout(this.#cycle);
    await this.#powerOff();
    // Kept as on: if the rack is stopped between the halves, the machine comes up with it.
    await this.#keep({ power: 'on', installing: null });
    clearTimeout(this.#cycle);
    this.#cycle = setTimeout(() => this.#powerOn(), CYCLE_PAUSE_MS);
  }

  /** One-shot boot device of the next boot; null leaves the firmware's own order, network first. */
  async setNextBoot(nextBoot: NextBoot): Promise<void> {
    await this.#keep({ nextBoot });
  }

  /** Stops simulating the machine. What is on its disk and its power state stay in the files. */
  async close(): Promise<void> {
    clearTimeout(this.#cycle);
    await this.#powerOff();
    await this.#options.save(this.#saved);
  }

  #powerOn(): void {
    if (this.#power !== undefined) return;
    const power = new AbortController();
    setMaxListeners(0, power.signal);
    this.#power = power;
    this.#ended = this.#ended.then(async () => this.#bootForEver(power.signal));
  }

  async #powerOff(): Promise<void> {
    const power = this.#power;
    this.#power = undefined;
    power?.abort(new Error('power off'));
    await this.#ended;
    if (power !== undefined && this.#power === undefined) this.#show('off');
  }

  /** Boots until the power goes: a boot that ends was a reboot, one that fails is tried again, later each time. */
  async #bootForEver(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await bootOnce(this.#context, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.counters.failedBoots += 1;
        this.#show('failed', error instanceof BootFailure ? `${error.code}: ${error.message}` : String(error));
        const pauseMs = jitter(this.#context.random, pauseAfter(this.#options.timing.bootLoopPausesMs, failures));
        failures += 1;
        // Rejects when the power goes, which the loop's condition sees.
        await pause(pauseMs, signal).catch(() => undefined);
      } finally {
        this.#node = null;
      }
    }
  }

  #show(phase: MachinePhase, detail = ''): void {
    this.#phase = phase;
    this.#detail = detail;
    this.#options.onPhase(this);
  }

  #complain(text: string): void {
    this.counters.complaints += 1;
    this.#options.onComplaint(this, text);
  }

  async #keep(change: Partial<SavedMachine>): Promise<void> {
    this.#saved = { ...this.#saved, ...change };
    await this.#options.save(this.#saved);
  }
}
