/** The rows of `webhooks`: what users subscribe to. The secret is stored encrypted and leaves this server once, when it is made. */
import { randomBytes } from 'node:crypto';
import type { Db, Queryable } from '../db/client.js';
import { currentPosition } from '../events/read.js';
import { sequence } from '../events/sequencer.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { addressPolicy, type AddressPolicy } from './address-policy.js';

/** Encrypts with the installation's key: `src/power/secrets.ts`. */
export type SecretBox = { encrypt(plain: string): string; decrypt(stored: string): { reveal(): string } };

/** Undefined fields keep what is there. */
export type WebhookSpec = {
  name: string;
  url: string;
  kinds: string[];
  states: string[];
  deploymentId: number | null;
  nodeId: number | null;
  roleId: number | null;
  active: boolean;
};

const UNIQUE_VIOLATION = '23505';

/** 32 random bytes; the prefix tells what it is where it is found by mistake. */
export function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64url')}`;
}

/** Subscribes to what happens from now on. Throws ConflictError when the name is taken. */
export async function createWebhook(db: Db, box: Pick<SecretBox, 'encrypt'>, spec: WebhookSpec & { secret: string }): Promise<number> {
  try {
    const { rows } = await db.pool.query<{ id: number }>(
      `INSERT INTO webhooks (name, url, kinds, states, deployment_id, node_id, role_id, active, secret, from_pos)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
      [spec.name, spec.url, spec.kinds, spec.states, spec.deploymentId, spec.nodeId, spec.roleId, spec.active, box.encrypt(spec.secret), await positionNow(db)],
    );
    return rows[0]?.id ?? 0;
  } catch (error) {
    throw nameTaken(error, spec.name);
  }
}

/** What was committed before this call stands at or before it: all of it is given its position first. */
async function positionNow(db: Db): Promise<number> {
  await sequence(db.pool);
  return currentPosition(db.pool);
}

/**
 * Changes what is given. Turned on again, it goes on with what comes from then on and with what is still pending.
 * Throws NotFoundError, ConflictError when the name is taken.
 */
export async function updateWebhook(db: Db, box: Pick<SecretBox, 'encrypt'>, id: number, change: Partial<WebhookSpec> & { secret?: string }): Promise<void> {
  const from = change.active === true ? await positionNow(db) : 0;
  try {
    const { rowCount } = await db.pool.query(
      `UPDATE webhooks SET name = coalesce($2, name), url = coalesce($3, url), kinds = coalesce($4, kinds), states = coalesce($5, states),
              deployment_id = CASE WHEN $6 THEN $7::int ELSE deployment_id END, node_id = CASE WHEN $8 THEN $9::int ELSE node_id END,
              role_id = CASE WHEN $10 THEN $11::int ELSE role_id END, secret = coalesce($12, secret),
              from_pos = CASE WHEN $13 AND NOT active THEN $14 ELSE from_pos END,
              paused_reason = CASE WHEN $13::boolean IS NULL THEN paused_reason END, active = coalesce($13, active)
        WHERE id = $1`,
      [
        id,
        change.name ?? null,
        change.url ?? null,
        change.kinds ?? null,
        change.states ?? null,
        change.deploymentId !== undefined,
        change.deploymentId ?? null,
        change.nodeId !== undefined,
        change.nodeId ?? null,
        change.roleId !== undefined,
        change.roleId ?? null,
        change.secret === undefined ? null : box.encrypt(change.secret),
        change.active ?? null,
        from,
      ],
    );
    if (rowCount === 0) throw new NotFoundError('webhook', id);
  } catch (error) {
    throw nameTaken(error, change.name ?? '');
  }
}

function nameTaken(error: unknown, name: string): unknown {
  if (error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION)
    return new ConflictError(`there is already a webhook '${name}'`, { code: 'name-taken', cause: error });
  return error;
}

/** Removes it with its deliveries. Throws NotFoundError. */
export async function deleteWebhook(db: Db, id: number): Promise<void> {
  const { rowCount } = await db.pool.query('DELETE FROM webhooks WHERE id = $1', [id]);
  if (rowCount === 0) throw new NotFoundError('webhook', id);
}

/** Whether any webhook is to be served. */
export async function hasWebhooks(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ some: boolean }>('SELECT EXISTS (SELECT 1 FROM webhooks WHERE active) AS some');
  return rows[0]?.some ?? false;
}

/** The policy of this installation: what the configuration allows, and where its BMCs are. */
export async function readAddressPolicy(db: Queryable, allow: readonly string[]): Promise<AddressPolicy> {
  const { rows } = await db.query<{ block: string }>(`SELECT subnet AS block FROM networks WHERE category = 'bmc' UNION SELECT address FROM bmcs`);
  return addressPolicy({ allow, bmc: rows.map((row) => row.block) });
}

/**
 * Refuses a URL that could never be sent to: so that the mistake shows when it is made. What a name resolves to is asked at
 * every attempt, because it may change. Throws ValidationError for the field `url`.
 */
export function assertSendable(url: string, policy: AddressPolicy): void {
  const refuse = (message: string) => new ValidationError(`url: ${message}`, [{ field: 'url', message }]);
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw refuse('must be a URL, for example https://hooks.example.com/prybar');
  }
  if (target.protocol !== 'https:' && target.protocol !== 'http:') throw refuse('must begin with https:// or http://');
  if (target.username !== '' || target.password !== '') throw refuse('must carry no user and password: they would be shown; the signature proves who sends');
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const address = /^localhost\.?$|\.localhost\.?$/.test(host) ? '127.0.0.1' : host;
  const reason = policy(address);
  if (reason !== null && reason !== 'no address') throw refuse(`${host} is ${reason}; the server's PRYBAR_WEBHOOK_ALLOW may allow it`);
}
