/** What will go wrong and what operators will ask for, when: a function of the seed alone. PURE. */
import { randomOf, type Random } from '../support/random.js';

export type Store = 'postgres' | 'redis';

/** The processes, by name. */
export const PROCESSES = ['runs-0', 'runs-1', 'annealer-0', 'annealer-1', 'hooks', 'api'] as const;
export type ProcessName = (typeof PROCESSES)[number];

export type Fault =
  | { kind: 'kill'; process: ProcessName; downMs: number }
  /** Stopped by SIGSTOP for so long that its leases are over, then continued. */
  | { kind: 'freeze'; process: ProcessName; forMs: number }
  | { kind: 'flush-redis' }
  | { kind: 'kill-redis'; downMs: number }
  | { kind: 'restart-postgres'; how: 'fast' | 'immediate' | 'kill' }
  /** pg_terminate_backend for this share of the connections. */
  | { kind: 'terminate'; percent: number }
  | { kind: 'cut'; store: Store }
  | { kind: 'slow'; store: Store; delayMs: number; forMs: number }
  /** Nothing goes through, and nobody is told. */
  | { kind: 'silence'; store: Store; forMs: number }
  /** The machine boots anew, at once. */
  | { kind: 'reboot'; machines: number }
  /** The machine is cut off, and back in the same boot. */
  | { kind: 'unplug'; machines: number; forMs: number };

/** `at` picks among what there is when it happens. */
export type Deed = {
  kind: 'commit' | 'data' | 'pair-data' | 'cancel' | 'retry' | 'repropose' | 'recall' | 'pause' | 'rebind' | 'redeploy' | 'rerun';
  at: number;
};

export type Planned<T> = { atMs: number; what: T };
export type Schedule = { faults: Planned<Fault>[]; deeds: Planned<Deed>[] };

/** How often each comes in one round of faults. */
const ROUND: Record<Fault['kind'], number> = {
  kill: 9,
  freeze: 3,
  'flush-redis': 2,
  'kill-redis': 1,
  'restart-postgres': 2,
  terminate: 2,
  cut: 2,
  slow: 1,
  silence: 2,
  reboot: 4,
  unplug: 3,
};
const ROUND_MS = 45_000;
const DEED_EVERY_MS = 400;
const DEEDS: Record<Deed['kind'], number> = {
  commit: 6,
  data: 4,
  'pair-data': 2,
  cancel: 6,
  retry: 6,
  repropose: 3,
  recall: 1,
  pause: 1,
  rebind: 2,
  redeploy: 2,
  rerun: 2,
};

/** The whole of it for `seconds` of faults. Each kind of fault comes in every round, in an order of the seed's choice. */
export function planOf(seed: number, seconds: number, backend: Store, leaseSeconds: number): Schedule {
  const random = randomOf(seed);
  const endMs = seconds * 1000;
  const faults: Planned<Fault>[] = [];
  for (let roundMs = 0; roundMs < endMs; roundMs += ROUND_MS) {
    const kinds = shuffled(
      random,
      (Object.keys(ROUND) as Fault['kind'][]).flatMap((kind) => Array.from({ length: ROUND[kind] }, () => kind)),
    ).filter((kind) => backend === 'redis' || !kind.includes('redis'));
    kinds.forEach((kind, index) => {
      const atMs = roundMs + Math.round(((index + random.below(100) / 100) * ROUND_MS) / kinds.length);
      if (atMs < endMs) faults.push({ atMs, what: faultOf(kind, random, backend, leaseSeconds) });
    });
  }
  const deeds: Planned<Deed>[] = [];
  for (let atMs = 1500; atMs < endMs; atMs += random.between(DEED_EVERY_MS / 2, DEED_EVERY_MS * 1.5))
    deeds.push({ atMs, what: { kind: random.weighted(DEEDS), at: random.below(1_000_000) } });
  return { faults, deeds };
}

function faultOf(kind: Fault['kind'], random: Random, backend: Store, leaseSeconds: number): Fault {
  const store = backend === 'redis' && random.chance(0.4) ? 'redis' : 'postgres';
  const process = random.pick(PROCESSES);
  switch (kind) {
    case 'kill':
      return { kind, process, downMs: random.between(50, 3000) };
    case 'freeze':
      return {
        kind,
        process: random.pick(['runs-0', 'runs-1', 'runs-0', 'runs-1', 'annealer-0', 'hooks']),
        forMs: leaseSeconds * 1000 + random.between(0, 5000),
      };
    case 'flush-redis':
      return { kind };
    case 'kill-redis':
      return { kind, downMs: random.between(100, 3000) };
    case 'restart-postgres':
      return { kind, how: random.pick(['fast', 'immediate', 'kill']) };
    case 'terminate':
      return { kind, percent: random.pick([10, 30, 100]) };
    case 'cut':
      return { kind, store };
    case 'slow':
      return { kind, store, delayMs: random.between(20, 150), forMs: random.between(1000, 4000) };
    case 'silence':
      return { kind, store, forMs: random.between(500, 6000) };
    case 'reboot':
      return { kind, machines: random.between(1, 20) };
    case 'unplug':
      return { kind, machines: random.between(1, 20), forMs: random.between(1000, 9000) };
  }
}

function shuffled<T>(random: Random, list: T[]): T[] {
  const left = [...list];
  return list.map(() => left.splice(random.below(left.length), 1)[0]);
}
