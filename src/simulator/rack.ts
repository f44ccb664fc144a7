/**
 * A rack of simulated machines behind one power switch, in one process. It owns the machines' files and their common seed;
 * it knows nothing of nodes, roles or deployments (those are `enrol.ts` and `demo.ts`, which speak to the public API).
 */
import { BmcServer } from './bmc.js';
import { hasMadeEveryExchange, sumCounters, type Counters } from './counters.js';
import { Gate } from './gate.js';
import { machineIdentity } from './identity.js';
import { DEFAULT_TIMING, type MachineTiming } from './life.js';
import { Machine } from './machine.js';
import type { Emit, RackEvent } from './rack-events.js';
import { StateFiles, type SavedRack } from './state-files.js';
import { NO_FAULTS, type FaultRates } from './wire/faults.js';

export type RackOptions = {
  nodes: number;
  /** The rack's files go to `<home>/rack`. */
  home: string;
  servers: { host: string; dhcpPort: number; tftpPort: number };
  seed?: string;
  faults?: FaultRates;
  timing?: Partial<MachineTiming>;
  /** Machines that are between power-on and kernel at the same time. */
  bootsAtOnce?: number;
  /** Address of the power switch. Its port is chosen once and kept in the files. */
  bmcHost?: string;
  emit?: Emit;
};

/** What a BMC registration needs; `fresh` when the password is new, so that older registrations are wrong. */
export type BmcAccess = { host: string; port: number; username: string; password: string; fresh: boolean };

/** Enough to keep two cores busy and few enough that the firmware's timeouts are met on them. */
const BOOTS_AT_ONCE = 24;

export class Rack {
  readonly machines: ReadonlyMap<string, Machine>;
  readonly bmc: BmcAccess;
  readonly #server: BmcServer;

  private constructor(machines: ReadonlyMap<string, Machine>, server: BmcServer, bmc: BmcAccess) {
    this.machines = machines;
    this.#server = server;
    this.bmc = bmc;
  }

  /** Reads the files, builds the machines and opens the power switch. No machine is powered on yet. */
  static async open(options: RackOptions): Promise<Rack> {
    const files = await StateFiles.open(options.home);
    const emit = options.emit ?? (() => undefined);
    const gate = new Gate(options.bootsAtOnce ?? BOOTS_AT_ONCE);
    const machines = new Map<string, Machine>();
    for (let number = 1; number <= options.nodes; number += 1) {
      const identity = machineIdentity(number);
      machines.set(
        identity.serial,
        new Machine({
          identity,
          servers: options.servers,
          timing: { ...DEFAULT_TIMING, ...options.timing },
          faults: options.faults ?? NO_FAULTS,
          seed: options.seed ?? '1',
          gate,
          saved: await files.loadMachine(identity.serial),
          save: async (saved) => files.saveMachine(saved),
          onPhase: (machine) => emit(phaseEvent(machine)),
          onComplaint: (machine, text) => emit({ event: 'complaint', serial: machine.identity.serial, text }),
        }),
      );
    }
    const { saved, fresh } = await files.loadRack();
    const host = options.bmcHost ?? '127.0.0.1';
    const { server, port } = await openSwitch(host, saved, machines);
    await files.saveRack({ ...saved, bmcPort: port });
    emit({ event: 'rack', nodes: options.nodes, seed: options.seed ?? '1', bmc: { host, port } });
    return new Rack(machines, server, { host, port, username: saved.bmcUsername, password: saved.bmcPassword, fresh });
  }

  /** The mains come on: every machine that was not switched off boots, as many at once as the gate lets. */
  powerUp(): void {
    for (const machine of this.machines.values()) machine.start();
  }

  /** Totals and each machine's own, and how many machines made every kind of exchange. */
  countersEvent(): Extract<RackEvent, { event: 'counters' }> {
    const machines: Record<string, Counters> = {};
    for (const [serial, machine] of this.machines) machines[serial] = machine.counters;
    const complete = Object.values(machines).filter(hasMadeEveryExchange).length;
    return { event: 'counters', complete, of: this.machines.size, totals: sumCounters(Object.values(machines)), machines };
  }

  /** Stops everything; resolves when no socket is open and every file is written. */
  async close(): Promise<void> {
    await Promise.all([...this.machines.values()].map(async (machine) => machine.close()));
    await this.#server.close();
  }
}

/** The picture `GET /rack` gives. */
function rackStatus(machines: ReadonlyMap<string, Machine>): unknown {
  return {
    machines: [...machines.values()].map((machine) => machine.status),
    totals: sumCounters([...machines.values()].map((machine) => machine.counters)),
  };
}

/** Opens the switch at the port it had before, or at another when that one is taken now. */
async function openSwitch(host: string, saved: SavedRack, machines: ReadonlyMap<string, Machine>): Promise<{ server: BmcServer; port: number }> {
  const build = (port: number) =>
    new BmcServer({
      host,
      port,
      username: saved.bmcUsername,
      password: saved.bmcPassword,
      machine: (serial) => machines.get(serial),
      rackStatus: () => rackStatus(machines),
    });
  const preferred = build(saved.bmcPort);
  try {
    return { server: preferred, port: await preferred.start() };
  } catch (error) {
    if (saved.bmcPort === 0) throw error;
    // Somebody has taken the port since: any other will do, the registrations follow it.
    const server = build(0);
    return { server, port: await server.start() };
  }
}

function phaseEvent(machine: Machine): RackEvent {
  const { serial, mac, phase, detail, address, node } = machine.status;
  return { event: 'machine', serial, mac, phase, detail, address, node: node?.name ?? null };
}
