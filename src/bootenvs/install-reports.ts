/**
 * What an installer reports with its completion token: the disk is claimed, the system is on it. The report is consumed
 * once; the same call from the same source gets the first answer again, another source is refused, the node is frozen and
 * an alarm is raised (netboot-rules 18, attacks 15 and 16). Bad input is refused, never an exception of the database.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { nodeChanged, type DomainEvent } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { recordBoot, setDesiredBootenv } from '../nodes/boot.js';
import type { PhaseSeen } from '../nodes/boot-phases.js';
import { writePhases } from '../nodes/phase.js';
import { isRowId, mayTell, noteOnTimeline, refusalEvents, recordTokenRefusal, TokenRefusedError, type TokenRefusal } from '../nodes/token-refusal.js';
import { deriveDiskToken, findToken, isTokenText, revokeTokens, storeToken, tokenKey, type TokenRow } from '../nodes/tokens.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';
import { advanceInstall, lockInstall, lockNode, readInstall, type InstallRow } from './install-row.js';

/** What the installer may say about the disk it wrote; text is stored without control characters. */
export type InstallReport = { disk?: string | null; loaderPath?: string | null; espUuid?: string | null };

export type InstallCall = {
  nodeId: number;
  token: unknown;
  /** Source address of the request: the identity that may repeat the call. */
  source: string;
  report?: InstallReport | undefined;
};

type Held = { token: TokenRow; install: InstallRow };
type Verdict<T> = { granted: T } | { refusal: TokenRefusal };

/** A system on a disk lives as long as the machine: its token ends by redeploy or deletion. */
const DISK_TOKEN_SECONDS = 10 * 365 * 86_400;

/**
 * The installer claims the disk: from here on the installation may not be started again, and the read token of the boot
 * dies. The caller has checked the completion token. Throws NotFoundError, and ConflictError `install-not-open` when the
 * installation was broken off or is complete. Safe to repeat; a repeated call with `progress` (per cent) shows on the timeline.
 */
export async function markWiping(
  db: Db,
  claim: { installId: number; disk?: string | null; bootId?: string | null; source?: string | null; progress?: number | null },
): Promise<{ installId: number }> {
  const known = await readInstall(db.pool, claim.installId);
  if (known === null) throw new NotFoundError('install', claim.installId);
  await withTransaction(db.pool, async (tx) => {
    await lockNode(tx, known.nodeId);
    const install = await lockInstall(tx, known.id);
    if (install === undefined) return;
    if (install.status === 'wiping') {
      if (typeof claim.progress === 'number')
        await writePhases(tx, await phaseOfNode(tx, install.nodeId, 'installing', `${install.bootenv} ${claim.progress} %`));
      return;
    }
    if (install.status !== 'armed' && install.status !== 'fetched') {
      throw new ConflictError(`install ${install.id} is ${install.status}: there is nothing to install`, { code: 'install-not-open' });
    }
    const disk = cleanText(claim.disk);
    const event = await advanceInstall(tx, install, { status: 'wiping', detail: { disk } });
    await revokeTokens(tx, { installId: install.id, kinds: ['boot'] });
    const bootId = cleanText(claim.bootId);
    if (bootId !== null) {
      await recordBoot(tx, {
        nodeId: install.nodeId,
        bootId,
        bootClass: 'installer',
        bootenv: install.bootenv,
        address: claim.source ?? null,
        installId: install.id,
      });
    }
    await writePhases(tx, await phaseOfNode(tx, install.nodeId, 'installing', `${install.bootenv}${disk === null ? '' : ` on ${disk}`}`));
    await writeEvents(tx, [event]);
  });
  notify(db.pool);
  return { installId: known.id };
}

/**
 * The system is on the disk. In one transaction: install completed, its fact raised, desired = local, the disk token stored.
 * Exactly one of two racing callers completes; the other gets the same answer when it is the same source. Throws
 * TokenRefusedError.
 */
export async function completeInstall(db: Db, call: InstallCall): Promise<{ installId: number; diskToken: string }> {
  const key = isTokenText(call.token) ? await tokenKey(db.pool) : undefined;
  return decideUnderLock(db, call, 'bootenv-local', async (tx, { token, install }) => {
    if (key === undefined || !isTokenText(call.token)) return refusal(call, 'bootenv-local', 'no token');
    const answer = { installId: install.id, diskToken: deriveDiskToken(key, call.token, install.id) };
    if (install.status === 'completed') {
      if (token.usedAt !== null && token.usedFrom === call.source) return { granted: answer };
      return {
        refusal: {
          ...refusalOf(call, 'bootenv-local', `install ${install.id} was completed by ${token.usedFrom ?? 'another token'}`),
          alarmCode: 'second-completion',
        },
      };
    }
    if (install.status === 'abandoned') return refusal(call, 'bootenv-local', `install ${install.id} was abandoned`);
    await complete(tx, call, { token, install }, answer.diskToken);
    return { granted: answer };
  });
}

async function complete(tx: Tx, call: InstallCall, { token, install }: Held, diskToken: string): Promise<void> {
  const report = cleanReport(call.report);
  await tx.query('UPDATE installs SET source = $2, spec = spec || $3::jsonb WHERE id = $1', [install.id, call.source, JSON.stringify({ report })]);
  await tx.query('UPDATE node_tokens SET used_at = clock_timestamp(), used_from = $2 WHERE id = $1', [token.id, call.source]);
  // What the disk held before is gone, and so is whoever spoke for it.
  await revokeTokens(tx, { nodeId: install.nodeId, kinds: ['disk', 'boot'] });
  await storeToken(tx, diskToken, { kind: 'disk', nodeId: install.nodeId, installId: install.id, ttlSeconds: DISK_TOKEN_SECONDS });
  const event = await advanceInstall(tx, install, { status: 'completed', detail: report });
  await setDesiredBootenv(tx, { nodeId: install.nodeId, bootenv: 'local', reason: `install ${install.id} completed` });
  await writePhases(tx, await phaseOfNode(tx, install.nodeId, 'installed', install.bootenv));
  await writeEvents(tx, [event]);
}

/** The step as the boot timeline takes it, under the NIC the node boots from; nothing when it has none. */
async function phaseOfNode(tx: Tx, nodeId: number, phase: 'installing' | 'installed', detail: string): Promise<PhaseSeen[]> {
  const { rows } = await tx.query<{ mac: string; at: Date }>(
    'SELECT mac, clock_timestamp() AS at FROM nics WHERE node_id = $1 ORDER BY boot DESC, id LIMIT 1',
    [nodeId],
  );
  return rows.map(({ mac, at }) => ({ mac, kind: phase, phase, detail, at }));
}

/** Finds the token, locks node and install, reads the token again under the locks, and lets `decide` judge. */
async function decideUnderLock<T>(db: Db, call: InstallCall, name: string, decide: (tx: Tx, held: Held) => Promise<Verdict<T>>): Promise<T> {
  const first = await findToken(db, call.token, 'install');
  const unknown = unknownReason(first, call);
  const installId = first?.installId ?? null;
  if (installId === null || unknown !== undefined) return refuse(db, refusalOf(call, name, unknown ?? 'the token is of no install'));
  const verdict = await withTransaction(db.pool, async (tx): Promise<Verdict<T>> => {
    const nodeThere = await lockNode(tx, call.nodeId);
    const install = nodeThere ? await lockInstall(tx, installId) : undefined;
    const token = await findToken(tx, call.token, 'install');
    if (install === undefined || token === null) return refusal(call, name, 'revoked meanwhile');
    const answer = await decide(tx, { token, install });
    if ('refusal' in answer && answer.refusal.alarmCode !== undefined) await freeze(tx, answer.refusal);
    return answer;
  });
  notify(db.pool);
  if ('granted' in verdict) return verdict.granted;
  // A frozen node's events are written with the freeze.
  if (verdict.refusal.alarmCode !== undefined) throw new TokenRefusedError(verdict.refusal.reason);
  return refuse(db, verdict.refusal);
}

/** Two sources for one token: one of them is not the machine. Nothing more is started on it until an operator has looked. */
async function freeze(tx: Tx, seen: TokenRefusal): Promise<void> {
  const { rows } = await tx.query<{ version: number }>(
    'UPDATE nodes SET available = false, version = version + 1 WHERE id = $1 AND available RETURNING version',
    [seen.nodeId],
  );
  const frozen: DomainEvent[] = rows.map((row) => nodeChanged(seen.nodeId, row.version, ['available']));
  // The first one always tells; a source that goes on is not given the means to fill the outbox.
  if (frozen.length === 0 && !mayTell(seen.source)) return;
  await noteOnTimeline(tx, seen);
  await writeEvents(tx, [...frozen, ...refusalEvents(seen)]);
}

function unknownReason(token: TokenRow | null, call: InstallCall): string | undefined {
  if (token === null) return 'unknown, expired or revoked token';
  if (!isRowId(call.nodeId) || token.nodeId !== call.nodeId) return 'the token is of another node';
  return undefined;
}

function refusalOf(call: InstallCall, name: string, reason: string): TokenRefusal {
  return { nodeId: call.nodeId, source: call.source, call: name, reason };
}

function refusal(call: InstallCall, name: string, reason: string): { refusal: TokenRefusal } {
  return { refusal: refusalOf(call, name, reason) };
}

async function refuse(db: Db, seen: TokenRefusal): Promise<never> {
  await recordTokenRefusal(db, seen);
  throw new TokenRefusedError(seen.reason);
}

const MAX_REPORT_TEXT = 256;

/** Text of a machine as it may be stored: PostgreSQL takes no NUL, and no reader wants control characters. */
function cleanText(text: unknown): string | null {
  return typeof text === 'string' && text !== '' ? text.replaceAll(/[\u0000-\u001f\u007f]/g, '').slice(0, MAX_REPORT_TEXT) : null;
}

function cleanReport(report: InstallReport | undefined): Record<string, string | null> {
  return { disk: cleanText(report?.disk), loader_path: cleanText(report?.loaderPath), esp_uuid: cleanText(report?.espUuid) };
}
