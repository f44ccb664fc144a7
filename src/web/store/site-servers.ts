/** PURE: how a DHCP or TFTP server of the site stands, in an operator's words. */

export type SiteServerView = { driven: boolean; served_revision: number; revision: number; problem: string | null; host: string; served_at: string | null };

export type Standing = { tone: 'good' | 'warn' | 'bad'; word: string; why: string | null };

/** A problem first, then nobody who drives it, then a change that is not on it yet. */
export function standingOf({ driven, served_revision: served, revision, problem, host }: SiteServerView): Standing {
  if (problem !== null) return { tone: 'bad', word: 'not served', why: problem };
  if (!driven)
    return {
      tone: served < revision ? 'bad' : 'warn',
      word: served < revision ? 'not served' : 'not driven',
      why: `no Prybar on ${host} looks after it: it answers from what it was told last`,
    };
  if (served < revision)
    return { tone: 'warn', word: 'behind', why: `it serves revision ${served} of ${revision}: machines wait for it before they are booted` };
  return { tone: 'good', word: 'served', why: null };
}
