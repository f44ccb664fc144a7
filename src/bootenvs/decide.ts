/**
 * PURE: which boot environment a machine gets, and why. WHERE THE BOOT ENVIRONMENT IS DECIDED.
 *
 * A wish for an installer is not enough: only an install that is armed, or was fetched but never claimed the disk, hands out
 * its files (engine-rules 15, netboot-rules 22). After the claim a second PXE boot gets `maintenance`, because the disk may be
 * half written; after the completion `local`. Whatever is unclear ends in something that writes no disk.
 */
import type { InstallStatus } from '../generated/prisma/enums.js';
import type { BootenvKind } from './bootenv.js';

/** What the database says about the machine that asks. */
export type BootWish = { nodeId: number; bootenv: string; deleting: boolean };

/** The node's latest install. */
export type InstallState = { id: number; bootenv: string; status: InstallStatus; fetches: number };

/** What can be served, by name. */
export type Catalog = ReadonlyMap<string, { kind: BootenvKind; available: boolean }>;

export type BootDecision = {
  bootenv: string;
  kind: BootenvKind;
  reason: string;
  /** The install whose installer is handed out. */
  installId: number | null;
  /** Something a human must look at. */
  alarm: { code: string; message: string } | null;
  /** Set when the decided bootenv cannot be served: the machine is told, and asks again. */
  unavailable: boolean;
};

/** Boots in which the answers were fetched and the disk was not claimed; more mean that something is wrong with the machine or the answers. */
export const MAX_INSTALL_BOOTS = 3;

/** Decides. `wish` is null for a MAC that belongs to no node: it is discovered. */
export function decideBootenv(wish: BootWish | null, install: InstallState | null, catalog: Catalog): BootDecision {
  if (wish === null) return give('discovery', 'unknown machine', catalog);
  if (wish.deleting) return give('local', 'the node is being deleted', catalog);
  const wished = catalog.get(wish.bootenv);
  if (wished === undefined) return park(`there is no bootenv ${wish.bootenv}`, 'unknown-bootenv', catalog);
  if (wished.kind !== 'installer') return give(wish.bootenv, `the node is to boot ${wish.bootenv}`, catalog);
  if (install === null || install.status === 'abandoned' || install.bootenv !== wish.bootenv) {
    return park(`no install of ${wish.bootenv} is armed`, 'install-not-armed', catalog);
  }
  return decideInstall(install, catalog);
}

function decideInstall(install: InstallState, catalog: Catalog): BootDecision {
  const { id, bootenv, status } = install;
  switch (status) {
    case 'armed':
    case 'fetched':
      if (install.fetches >= MAX_INSTALL_BOOTS) {
        return park(`install ${id} was started ${install.fetches} times and never claimed a disk`, 'install-offers-used-up', catalog);
      }
      if (catalog.get(bootenv)?.available !== true) return park(`bootenv ${bootenv} cannot be served`, 'bootenv-unavailable', catalog);
      return { ...give(bootenv, `install ${id} is ${status}`, catalog), installId: id };
    case 'wiping':
    case 'unknown':
      return park(`install ${id} is ${status}: the disk may be half written`, 'netboot-while-installing', catalog);
    case 'completed':
      return {
        ...give('local', `install ${id} is complete`, catalog),
        alarm: { code: 'netboot-after-install', message: `install ${id} is complete, and the node asks for its installer again` },
      };
    case 'abandoned':
      return park(`install ${id} was abandoned`, 'install-not-armed', catalog);
  }
}

function give(bootenv: string, reason: string, catalog: Catalog): BootDecision {
  const known = catalog.get(bootenv);
  return { bootenv, kind: known?.kind ?? 'maintenance', reason, installId: null, alarm: null, unavailable: known?.available !== true };
}

/** Into the parking place, with an alarm; nothing there writes a disk. */
function park(reason: string, code: string, catalog: Catalog): BootDecision {
  return { ...give('maintenance', reason, catalog), alarm: { code, message: reason } };
}
