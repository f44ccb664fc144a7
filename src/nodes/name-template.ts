/** Names by number: `ctrl{n}` becomes ctrl1, ctrl2, ... (Occam: role and number). */
import type { Tx } from '../db/client.js';

const PLACE = '{n}';

export function isNameTemplate(name: string): boolean {
  return name.includes(PLACE);
}

/**
 * The name after the largest number in use; a number that became free is not given again soon, since logs and notes still speak
 * of its last owner. Two callers at once get two numbers: the template is locked until the transaction ends.
 */
export async function nextName(tx: Tx, template: string): Promise<string> {
  const [before = '', after = ''] = template.split(PLACE);
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('name ' || $1, 7))`, [template]);
  const { rows } = await tx.query<{ next: number }>(
    `SELECT coalesce(max(d.digits::int), 0) + 1 AS next
       FROM nodes n CROSS JOIN LATERAL (SELECT substr(n.name, length($1) + 1, greatest(0, length(n.name) - length($1) - length($2))) AS digits) d
      WHERE starts_with(n.name, $1) AND right(n.name, length($2)) = $2 AND d.digits ~ '^[0-9]{1,8}$'`,
    [before, after],
  );
  return `${before}${rows[0]?.next ?? 1}${after}`;
}
