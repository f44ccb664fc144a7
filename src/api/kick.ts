/** Which requests may have made work claimable, so that the annealer is asked for a pass as soon as they are answered. PURE. */

/** Callbacks of machines that change what may run; heartbeats, polls and log chunks do not. */
const CHANGING_CALLBACK = /^\/node\/(facts|\d+\/(boot|installing|bootenv-local(\/.*)?|runs\/\d+\/result))$/;

/** Whether a request that succeeded is worth a pass. `path` without its query. */
export function mayMakeWork(method: string, path: string): boolean {
  if (path.startsWith('/api/')) return method !== 'GET' && method !== 'HEAD';
  return CHANGING_CALLBACK.test(path);
}

/** Calls `kick` after such a request was answered. A kick that fails costs one sweep. */
export function kickAfter(
  kick: () => Promise<void>,
  req: { method?: string | undefined; url?: string | undefined },
  res: { statusCode: number; once(event: 'finish', listener: () => void): unknown },
): void {
  const path = (req.url ?? '').split('?')[0] ?? '';
  if (!mayMakeWork(req.method ?? 'GET', path)) return;
  res.once('finish', () => {
    if (res.statusCode < 400) kick().catch(() => undefined);
  });
}
