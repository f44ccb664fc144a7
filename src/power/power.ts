/**
 * The power of machines, through their BMCs. A driver speaks one protocol and does one thing once; `act.ts` sees to it
 * that the BMC agrees afterwards. To add a driver: implement PowerDriver in a file of its own, add it to `drivers.ts`.
 */
import { AppError, TimeoutError, UpstreamError } from '../shared/errors.js';

/** `unknown`: the BMC answers but does not say. */
export type PowerState = 'on' | 'off' | 'unknown';
export type PowerVerb = 'on' | 'off' | 'cycle';
/** What the machine boots next time, once. */
export type NextBoot = 'pxe' | 'disk';

/** Each call ends within the driver's own timeout, or when the signal ends; it throws the errors below. */
export type PowerDriver = {
  status(signal: AbortSignal): Promise<PowerState>;
  on(signal: AbortSignal): Promise<void>;
  /** At once, without asking the operating system. */
  off(signal: AbortSignal): Promise<void>;
  /** Off and on again; the machine must be on. */
  cycle(signal: AbortSignal): Promise<void>;
  /** One-shot. */
  setNextBoot(target: NextBoot, signal: AbortSignal): Promise<void>;
};

/** Where a BMC is and how to get in. */
export type BmcAddress = { driver: string; address: string; port: number; username: string; password: Secret };

/** What a driver may need to know of the machine besides its BMC. */
export type MachineRef = { serial: string; isUefi: boolean };

/** How a kind of BMC wants to be treated, milliseconds. */
export type PowerTiming = {
  /** Least time between two commands: cheap BMCs lose the second. */
  spacingMs: number;
  /** Time between two looks whether it agrees. */
  verifyEveryMs: number;
  /** After this it has not obeyed. */
  verifyTimeoutMs: number;
};

/** A password that does not show itself in logs, errors or JSON. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself: for the wire and nowhere else. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}

/** Thrown when the BMC cannot be reached or answers nonsense. Retryable. */
export function bmcUnreachable(bmc: BmcAddress, reason: string, cause?: unknown): UpstreamError {
  return new UpstreamError(`BMC ${bmc.address}:${bmc.port} (${bmc.driver}): ${reason}`, { details: { reason: 'bmc-unreachable' }, cause });
}

/** Thrown when the BMC refuses user name or password. Not retryable: more tries lock accounts. */
export function bmcRefused(bmc: BmcAddress, reason: string): AppError {
  return new AppError(
    'bmc-credentials',
    502,
    false,
    `BMC ${bmc.address}:${bmc.port} (${bmc.driver}) refuses ${bmc.username || 'the anonymous user'}: ${reason}`,
  );
}

/** Thrown when the BMC took the command and its power does not follow. Retryable. */
export function notObeyed(bmc: BmcAddress, wanted: string, seen: PowerState): TimeoutError {
  return new TimeoutError(`BMC ${bmc.address}:${bmc.port} (${bmc.driver}) took the command, but power is ${seen} instead of ${wanted}`, {
    details: { reason: 'power-not-verified' },
  });
}
