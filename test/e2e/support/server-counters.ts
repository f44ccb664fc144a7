import type { Installation } from './installation.js';

export type ServerCounters = Record<'dhcp' | 'tftp' | 'http', Record<string, number>>;

/** What the boot servers that live now counted, from `GET /metrics`: `prybar_boot_server_count{kind,host,counter,reason}`. */
export async function readBootServerCounters(installation: Installation): Promise<ServerCounters> {
  const text = await (await fetch(`${installation.apiUrl}/metrics`)).text();
  const counters: ServerCounters = { dhcp: {}, tftp: {}, http: {} };
  for (const [, labels, value] of text.matchAll(/^prybar_boot_server_count\{([^}]*)\} (\S+)$/gm)) {
    const label = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(labels ?? '')?.[1] ?? '';
    const kind = label('kind');
    if ((kind === 'dhcp' || kind === 'tftp' || kind === 'http') && label('reason') === '') counters[kind][label('counter')] = Number(value);
  }
  return counters;
}
