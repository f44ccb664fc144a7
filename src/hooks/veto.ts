/**
 * Asks the hooks that may refuse, inside the deciding transaction (engine-rules 19). Such a hook reads, and nothing else:
 * it runs in a read-only savepoint that is always rolled back, so its writes fail and its settings go with it. It has one
 * second; what it asks for later is refused, because the connection belongs to somebody else by then.
 */
import type { Tx } from '../db/client.js';
import { isPassing } from '../db/passing.js';
import { ConflictError } from '../shared/errors.js';
import type { RoleHooks, VetoHook, VetoHookName } from './hooks.js';

/** How long a role may think, milliseconds: locks of the deciding transaction are held meanwhile. */
const VETO_MS = 1_000;

type Subject = { deploymentId: number; nodeRoleIds: readonly number[] };

/** What bind and commit ask (`src/noderoles/vetoes.ts`). A role is asked about its own noderoles, roles in cohort order. */
export function createVetoes(roles: () => ReadonlyMap<string, RoleHooks>, limitMs = VETO_MS) {
  const ask = (name: VetoHookName) => (tx: Tx, subject: Subject) => askRoles(tx, subject, name, roles(), limitMs);
  return { onNodeBind: ask('onNodeBind'), onCommit: ask('onCommit') };
}

async function askRoles(tx: Tx, subject: Subject, name: VetoHookName, roles: ReadonlyMap<string, RoleHooks>, limitMs: number): Promise<void> {
  const names = [...roles].flatMap(([role, hooks]) => (hooks[name] === undefined ? [] : [role]));
  if (names.length === 0 || subject.nodeRoleIds.length === 0) return;
  const { rows } = await tx.query<{ role: string; ids: number[] }>(
    `SELECT ro.name AS role, array_agg(nr.id ORDER BY nr.id) AS ids FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id
      WHERE nr.id = ANY($1) AND ro.name = ANY($2) GROUP BY ro.id ORDER BY ro.cohort, ro.id`,
    [subject.nodeRoleIds, names],
  );
  for (const { role, ids } of rows) {
    const hook = roles.get(role)?.[name];
    if (hook !== undefined) await askOne(tx, { role, name, hook, limitMs }, { deploymentId: subject.deploymentId, nodeRoleIds: ids });
  }
}

type Asked = { role: string; name: VetoHookName; hook: VetoHook; limitMs: number };

async function askOne(tx: Tx, asked: Asked, subject: { deploymentId: number; nodeRoleIds: number[] }): Promise<void> {
  await tx.query('SAVEPOINT veto');
  await tx.query(`SET LOCAL transaction_read_only = on`);
  await tx.query(`SET LOCAL statement_timeout = ${Math.trunc(asked.limitMs)}`);
  const reader = readerOf(tx);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${asked.limitMs} ms`)), asked.limitMs);
  });
  try {
    await Promise.race([asked.hook(reader.tx, subject), tooLong]);
  } catch (error) {
    // A lost race for locks is nobody's objection: the caller tries the whole transaction again.
    if (isPassing(error) && !isCancelled(error)) throw error;
    const reason = isCancelled(error) ? `it did not answer within ${asked.limitMs} ms` : error instanceof Error ? error.message : String(error);
    throw new ConflictError(`role '${asked.role}' refuses (${asked.name}): ${reason}`, {
      code: 'vetoed',
      details: { role: asked.role, hook: asked.name },
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    reader.end();
    await tx.query('ROLLBACK TO SAVEPOINT veto');
    await tx.query('RELEASE SAVEPOINT veto');
  }
}

/** SQLSTATE query_canceled: statement_timeout ended what the hook asked. */
function isCancelled(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}

/** The transaction as the hook sees it, until `end`. */
function readerOf(tx: Tx): { tx: Pick<Tx, 'query'>; end(): void } {
  let isOver = false;
  const guarded = new Proxy(tx, {
    get(target, property) {
      if (property !== 'query') throw new Error('a hook that may refuse can only query');
      if (isOver) throw new Error('the question this hook was asked is decided already');
      return target.query.bind(target);
    },
  });
  return { tx: guarded, end: () => void (isOver = true) };
}
