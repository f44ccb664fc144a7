import type { Counters } from './counters.js';
import type { MachinePhase } from './life.js';

/** What the rack process reports, one JSON object a line on stdout. The supervisor draws its board from it. */
export type RackEvent =
  | { event: 'rack'; nodes: number; seed: string; bmc: { host: string; port: number } }
  | { event: 'machine'; serial: string; mac: string; phase: MachinePhase; detail: string; address: string | null; node: string | null }
  | { event: 'complaint'; serial: string; text: string }
  | { event: 'enrolled'; serial: string; node: string; nodes: number; of: number }
  | { event: 'demo'; step: DemoStep; text: string }
  | { event: 'counters'; complete: number; of: number; totals: Counters; machines: Record<string, Counters> };

export type DemoStep = 'waiting' | 'created' | 'found' | 'bound' | 'committed' | 'done' | 'failed';

export type Emit = (event: RackEvent) => void;
