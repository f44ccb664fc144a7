import type { Counters } from './counters.js';
import type { MachineIdentity } from './identity.js';
import type { Random } from './random.js';
import type { FaultRates } from './wire/faults.js';
import type { HttpClient } from './wire/http-client.js';

/** What a console or a front panel would show. `running` is an agent at work, `failed` a boot that ended in an error. */
export type MachinePhase =
  | 'off'
  | 'post'
  | 'dhcp'
  | 'loader'
  | 'ipxe'
  | 'script'
  | 'kernel'
  | 'ramdisk'
  | 'installing'
  | 'installed'
  | 'disk'
  | 'running'
  | 'failed';

/** How long a machine takes for what is not the network's business. */
export type MachineTiming = {
  /** One per try of a DHCP message. */
  dhcpTimeoutsMs: readonly number[];
  tftpTimeoutMs: number;
  /** Firmware self test, before the first DHCP. */
  selfTestMs: number;
  installSeconds: number;
  /** How long a script pretends to run when it does not say so itself. */
  scriptSeconds: number;
  /** Pauses between two boots that failed, the last one repeated. */
  bootLoopPausesMs: readonly number[];
  /** Pauses between two tries to reach a server, the last one repeated. */
  callRetryPausesMs: readonly number[];
};

export const DEFAULT_TIMING: MachineTiming = {
  dhcpTimeoutsMs: [1_000, 2_000, 4_000, 8_000],
  tftpTimeoutMs: 1_000,
  selfTestMs: 60,
  installSeconds: 1.5,
  scriptSeconds: 0.3,
  bootLoopPausesMs: [2_000, 5_000, 10_000, 30_000],
  callRetryPausesMs: [250, 500, 1_000, 2_000, 5_000],
};

/** One boot of one machine, as its stages see it. Everything here dies with the power. */
export type BootLife = {
  readonly identity: MachineIdentity;
  /** Random UUID of this boot, as Linux makes one in /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  readonly http: HttpClient;
  readonly counters: Counters;
  readonly random: Random;
  readonly faults: FaultRates;
  readonly timing: MachineTiming;
  readonly show: (phase: MachinePhase, detail?: string) => void;
  /** Gives the place at the boot gate back: this boot waits for something now. May be called twice. */
  readonly leaveGate: () => void;
};

/** The pause before try `failures` + 1. */
export function pauseAfter(pausesMs: readonly number[], failures: number): number {
  return pausesMs[Math.min(failures, pausesMs.length - 1)] ?? 1_000;
}
