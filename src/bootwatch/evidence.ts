/** PURE: everything the doctor knows of one machine, and the questions that several causes ask of it. */
import type { Attempt } from './attempts.js';
import { askerOf, Stage, type BootStep } from './steps.js';

/** What Prybar wants of the machine and knows of it. */
export type NodeEvidence = {
  readonly name: string;
  readonly alive: boolean;
  readonly bootenv: string;
  /** What the boot servers have not confirmed yet, in words; empty when they answer what is desired. */
  readonly waitingFor: readonly string[];
  readonly power: { readonly state: string; readonly lastError: string | null } | null;
  /** Told by its last discovery; undefined where it was not said. */
  readonly secureBoot: boolean | undefined;
  readonly nics: readonly { readonly mac: string; readonly carrier: boolean | undefined; readonly lldp: string | undefined }[];
  readonly bootDevice: string | undefined;
};

/** The network the machine is expected on: of its reservation, else of its lease. */
export type NetworkEvidence = {
  readonly name: string;
  readonly mode: string;
  readonly hasDns: boolean;
  /** Whether we announce ourselves so that iPXE waits for no router. */
  readonly quietRa: boolean;
  readonly isReserved: boolean;
};

export type Evidence = {
  readonly now: Date;
  readonly mac: string;
  /** Oldest first; the last is the present boot. */
  readonly attempts: readonly Attempt[];
  /** Null for a machine that is no node. */
  readonly node: NodeEvidence | null;
  readonly network: NetworkEvidence | null;
  /** Bootenvs whose kernel is an installer. */
  readonly installers: ReadonlySet<string>;
  readonly servers: { readonly dhcp: number; readonly tftp: number; readonly http: number };
  /** Seconds from power to the first DISCOVER in earlier boots, the median; null without history. */
  readonly usualSecondsToDiscover: number | null;
};

/** A machine of which nothing was seen has an empty boot. */
const NOTHING: Attempt = { steps: [], reached: Stage.power };

export function presentBoot({ attempts }: Evidence): Attempt {
  return attempts.at(-1) ?? NOTHING;
}

/** Seconds since the last step, whatever it was; Infinity when there was none. */
export function silentSeconds(evidence: Evidence): number {
  const last = presentBoot(evidence).steps.at(-1);
  return last === undefined ? Number.POSITIVE_INFINITY : (evidence.now.getTime() - last.at.getTime()) / 1000;
}

/** The last step of these kinds, by an asker when one is named. */
export function lastOf(steps: readonly BootStep[], kinds: string | readonly string[], asker?: string): BootStep | undefined {
  return steps.findLast((step) => isOf(step, kinds, asker));
}

/** All of these kinds. */
export function allOf(steps: readonly BootStep[], kinds: string | readonly string[], asker?: string): BootStep[] {
  return steps.filter((step) => isOf(step, kinds, asker));
}

/** The steps that came after one. */
export function after(steps: readonly BootStep[], step: BootStep): BootStep[] {
  return steps.slice(steps.indexOf(step) + 1);
}

/** Seconds from one step to another. */
export function secondsBetween(from: BootStep, to: BootStep): number {
  return (to.at.getTime() - from.at.getTime()) / 1000;
}

export function textFact(step: BootStep | undefined, name: string): string | undefined {
  const value = step?.facts[name];
  return typeof value === 'string' ? value : undefined;
}

export function numberFact(step: BootStep | undefined, name: string): number | undefined {
  const value = step?.facts[name];
  return typeof value === 'number' ? value : undefined;
}

export function numbersFact(step: BootStep | undefined, name: string): number[] {
  const value = step?.facts[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}

/** The offers of the last asker that no REQUEST followed, oldest first. Where one asks on 4011 or fetches a file, it took one. */
export function openOffers(boot: Attempt): BootStep[] {
  const taken = boot.steps.findLastIndex(
    (step) => step.kind === 'dhcp-request' || step.kind === 'dhcp-ack' || step.kind.startsWith('tftp-') || step.kind.startsWith('http-'),
  );
  const open = allOf(boot.steps.slice(taken + 1), ['dhcp-offer', 'dhcp-proxy-offer']);
  const asker = open.at(-1) === undefined ? undefined : askerOf(open.at(-1)!);
  return open.filter((offer) => askerOf(offer) === asker);
}

/** Firmware takes an offer at once or asks again within seconds: two that were not taken are a pattern. */
export const OFFERS_IGNORED = 2;

/** Whether the offers of the present boot stay without an answer. */
export function isIgnoringOffers(evidence: Evidence): boolean {
  return openOffers(presentBoot(evidence)).length >= OFFERS_IGNORED && silentSeconds(evidence) >= 5;
}

function isOf(step: BootStep, kinds: string | readonly string[], asker: string | undefined): boolean {
  return (typeof kinds === 'string' ? step.kind === kinds : kinds.includes(step.kind)) && (asker === undefined || askerOf(step) === asker);
}
