/**
 * The script a machine gets when it asks for one: read what is true now, decide, mint the read token of this boot. A token
 * is rendered only for the address that is leased to the MAC (netboot-rules 19); anything unclear is a script without one.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { withTransaction, type Db } from '../db/client.js';
import { alarm } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import type { Logger } from '../shared/logger.js';
import { newToken } from '../nodes/tokens.js';
import { readBootSubject, type BootSubject } from './boot-query.js';
import { storeBootToken } from './boot-tokens.js';
import { decideBootenv, type BootDecision, type BootWish, type Catalog } from './decide.js';
import type { BootenvRegistry, LoadedBootenv } from './registry.js';
import { renderContext, TOKEN_PLACEHOLDER } from './render.js';
import type { ScriptSubject } from './script-subject.js';
import { FORMS, type ScriptForm } from './script-forms.js';
import { witnessAddress } from './witness.js';
import { readReport } from './local-disk.js';
import { localDiskScript } from './local-loader.js';

export type OfferDeps = {
  db: Db;
  home: string;
  log: Logger;
  /** `http://host:port` of boot HTTP, as machines reach it. */
  baseUrl: string;
  /** The same for machines that reached us at this address of ours: behind another interface `baseUrl` need not be reachable. */
  baseUrlAt?: ((localAddress: string) => string) | undefined;
  registry(): BootenvRegistry;
  /** Life of a read token, seconds: one boot; an installer's boot is as long as the installation may be. */
  bootTokenSeconds: number;
  installTokenSeconds: number;
};

/** `answer` is what the script does: boots a kernel, leaves for the disk, or waits and asks again, `waits` says for what; `parked` is the code of why it is not what was wished. */
export type Offer = { script: string; bootenv: string; answer: 'boot' | 'local' | 'wait'; waits?: 'bootenv' | 'lease'; parked?: string; detail: string };

/** The dependencies for an asker who reached us at this address of ours. */
export function depsAt<Deps extends OfferDeps>(deps: Deps, localAddress: string): Deps {
  return deps.baseUrlAt === undefined ? deps : { ...deps, baseUrl: deps.baseUrlAt(localAddress) };
}

/** What the boot timeline keeps of an offer. */
export function factsOfOffer({ bootenv, answer, waits, parked }: Offer): Pick<Offer, 'bootenv' | 'answer' | 'waits' | 'parked'> {
  return { bootenv, answer, ...(waits === undefined ? {} : { waits }), ...(parked === undefined ? {} : { parked }) };
}

/** Who asks: the MAC of the path, the source address of the request. `look` renders without a token and changes nothing (HEAD). */
export type Asker = { mac: string; address: string; look: boolean; form: ScriptForm };

/** Renders the script. Throws when the database cannot be read: the door answers 503, never an installer. */
export async function offerScript(deps: OfferDeps, asker: Asker): Promise<Offer> {
  const subject = await readLeasedSubject(deps, asker);
  const decision = decideBootenv(wishOf(subject), subject.install, catalogOf(deps.registry()));
  const scripted: ScriptSubject = { mac: asker.mac, baseUrl: deps.baseUrl, name: subject.node?.name ?? asker.mac, reason: decision.reason };
  if (decision.alarm !== null && subject.node !== null && !asker.look) await raise(deps, subject.node.id, decision);
  if (decision.kind === 'local') {
    const disk = { hasLocalLoader: await hasLocalLoader(deps.home), diskScript: localDiskScript(readReport(subject.install?.spec)) };
    return offer('local', FORMS[asker.form].local({ ...scripted, ...disk }), decision, decision.reason);
  }
  const loaded = deps.registry().get(decision.bootenv);
  if (decision.unavailable || loaded === undefined) {
    const problem = loaded?.problems[0] ?? 'it is not in the catalog';
    return wait('bootenv', asker.form, { ...scripted, reason: `bootenv ${decision.bootenv} cannot be served: ${problem}` }, decision);
  }
  if (subject.network === null) return wait('lease', asker.form, { ...scripted, reason: whyNotLeased(asker, subject) }, decision);
  return offer('boot', await kernelOffer(deps, asker, { subject, decision, loaded, scripted }), decision, decision.reason);
}

/** A lease elsewhere is no proof: who clones a MAC on another network gets one (netboot-rules 19, attack 13). */
function whyNotLeased({ mac, address }: Asker, { home }: BootSubject): string {
  if (home === null) return `address ${address} is not leased to ${mac}`;
  return `${mac} is reserved on network ${home} and asks from ${address}, on another: boot it there, or delete that allocation`;
}

/** The machine and its lease; where another server gives the addresses, what is seen on the segment stands for one. */
async function readLeasedSubject({ db }: OfferDeps, asker: Asker): Promise<BootSubject> {
  const subject = await readBootSubject(db.pool, asker.mac, asker.address);
  if (!subject.maybeElsewhere || !(await witnessAddress(db, asker))) return subject;
  return readBootSubject(db.pool, asker.mac, asker.address);
}

type Kernel = { subject: BootSubject; decision: BootDecision; loaded: LoadedBootenv; scripted: ScriptSubject };

async function kernelOffer(deps: OfferDeps, asker: Asker, { subject, decision, loaded, scripted }: Kernel): Promise<string> {
  const token = asker.look ? TOKEN_PLACEHOLDER : newToken();
  const context = renderContext({
    bootenv: loaded.name,
    params: loaded.definition.params,
    node: subject.node ?? { id: 0, name: asker.mac, arch: 'x86_64', uuid: null, serial: null },
    mac: asker.mac,
    baseUrl: deps.baseUrl,
    network: subject.network ?? { domain: '', dns: [], router: null },
    install: decision.installId === null ? null : subject.install,
    bootToken: token,
    installToken: null,
  });
  const script = FORMS[asker.form].kernel({ ...scripted, bootenv: loaded.definition, token, args: loaded.kernelArgs(context) });
  // Stored last: what does not render leaves the token of the boot before as it is.
  if (!asker.look) {
    await storeBootToken(deps.db.pool, {
      plain: token,
      nodeId: subject.node?.id ?? null,
      mac: asker.mac,
      address: asker.address,
      bootenv: decision.bootenv,
      installId: decision.installId,
      ttlSeconds: decision.kind === 'installer' ? deps.installTokenSeconds : deps.bootTokenSeconds,
    });
  }
  return script;
}

function wishOf({ node }: BootSubject): BootWish | null {
  return node === null ? null : { nodeId: node.id, bootenv: node.bootenv, deleting: node.deleting };
}

const catalogs = new WeakMap<BootenvRegistry, Catalog>();

/** Made once for each state of the registry. */
function catalogOf(registry: BootenvRegistry): Catalog {
  const known = catalogs.get(registry);
  if (known !== undefined) return known;
  const catalog = new Map([...registry.values()].map((loaded) => [loaded.name, { kind: loaded.definition.kind, available: loaded.available }] as const));
  catalogs.set(registry, catalog);
  return catalog;
}

function offer(answer: Offer['answer'], script: string, decision: BootDecision, reason: string): Offer {
  const parked = decision.kind === 'local' ? undefined : decision.alarm?.code;
  return { script, bootenv: decision.bootenv, answer, detail: `${decision.bootenv}: ${reason}`, ...(parked === undefined ? {} : { parked }) };
}

function wait(waits: NonNullable<Offer['waits']>, form: ScriptForm, subject: ScriptSubject, decision: BootDecision): Offer {
  return { ...offer('wait', FORMS[form].wait(subject), decision, subject.reason), waits };
}

const LOADER_LOOK_MS = 1_000;
const loaderLooks = new Map<string, { until: number; found: Promise<boolean> }>();

/** A GRUB that finds the systems on an ESP; made by the set-up when GRUB is there. Looked for once a second, not for each script. */
function hasLocalLoader(home: string): Promise<boolean> {
  const now = Date.now();
  const known = loaderLooks.get(home);
  if (known !== undefined && known.until > now) return known.found;
  const found = access(path.join(home, 'loaders', 'local.efi')).then(
    () => true,
    () => false,
  );
  loaderLooks.set(home, { until: now + LOADER_LOOK_MS, found });
  return found;
}

const ALARM_EVERY_MS = 600_000;
const MAX_ALARMS = 10_000;
const raised = new Map<string, number>();

/** One alarm per node and cause in ten minutes: a machine in a boot loop asks every few seconds. */
async function raise(deps: OfferDeps, nodeId: number, decision: BootDecision): Promise<void> {
  if (decision.alarm === null) return;
  const { code, message } = decision.alarm;
  const key = `${nodeId} ${code} ${message}`;
  const now = Date.now();
  if (now - (raised.get(key) ?? 0) < ALARM_EVERY_MS) return;
  if (raised.size >= MAX_ALARMS) raised.clear();
  raised.set(key, now);
  await withTransaction(deps.db.pool, (tx) => writeEvents(tx, [alarm('node', nodeId, code, message, { bootenv: decision.bootenv })]));
  notify(deps.db.pool);
  deps.log.warn({ nodeId, code, bootenv: decision.bootenv }, 'boot decision needs a look');
}
