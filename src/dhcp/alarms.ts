/** What an operator must look at: said once in a while, however many clients run into it. */
import type { Network } from './network.js';

export type DhcpAlarm = {
  readonly code: 'dhcp-unknown-quota' | 'dhcp-pool-exhausted' | 'dhcp-rival' | 'dhcp-interface';
  readonly networkId: number;
  readonly network: string;
  /** The machine that ran into it first, or the rival's; empty when none is known. */
  readonly mac: string;
  readonly message: string;
};

/** A flood is one alarm in ten minutes, not thousands. */
const REPEAT_MS = 600_000;

export class AlarmBell {
  readonly #alarm: (alarm: DhcpAlarm) => void;
  readonly #rungAtMs = new Map<string, number>();

  constructor(alarm: (alarm: DhcpAlarm) => void) {
    this.#alarm = alarm;
  }

  /** Raises the alarm unless it was raised for this network a short while ago. */
  ring(reason: 'unknown-quota' | 'pool-exhausted', network: Network, mac: string, nowMs: number): void {
    const key = `${reason} ${network.id}`;
    const rungAtMs = this.#rungAtMs.get(key);
    if (rungAtMs !== undefined && nowMs - rungAtMs < REPEAT_MS) return;
    this.#rungAtMs.set(key, nowMs);
    this.#alarm({ code: `dhcp-${reason}`, networkId: network.id, network: network.name, mac, message: describe(reason, network) });
  }
}

function describe(reason: 'unknown-quota' | 'pool-exhausted', network: Network): string {
  return reason === 'unknown-quota'
    ? `unknown machines hold all ${network.unknownQuota ?? 0} pool addresses that network ${network.name} allows them; more get none`
    : `network ${network.name} has no free pool address: machines without a reservation get none`;
}
