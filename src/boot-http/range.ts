/** PURE: byte ranges of a request. RFC 9110 section 14. */

export type ByteRange = { first: number; last: number };

/**
 * The one range that is asked for, both ends included. `all` when there is no range we serve: none, another unit, several
 * (a server may ignore them: section 14.2). `unsatisfiable` when it lies outside the file.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | 'all' | 'unsatisfiable' {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (found === null) return 'all';
  const [, from = '', to = ''] = found;
  if (from === '' && to === '') return 'all';
  if (from === '') {
    const suffix = Number(to);
    return suffix === 0 || sizeBytes === 0 ? 'unsatisfiable' : { first: Math.max(0, sizeBytes - suffix), last: sizeBytes - 1 };
  }
  const first = Number(from);
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== '' && Number(to) < first) return 'all';
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
}
