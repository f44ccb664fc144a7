/** A change of one machine's boot, from the call of the API to the first DHCP answer that carries it; asked without a pause meanwhile. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../../src/client/client.js';
import type { Tools } from '../bench.js';
import { optionOf } from './exchange-bytes.js';
import { askWithoutPause } from './probe.js';
import type { Prybar } from './prybar.js';

const ROOT_PATH = 17;
/** Between two changes, so that each is alone: the hooks, the sequencer and the feed are through with the one before. Milliseconds. */
const SETTLE_MS = 60;
/** How long answers are watched while nothing changes: what the machine itself keeps waiting. */
const QUIET_MS = 8_000;
/** Changes that are not counted: they open connections, and the API's code is compiled while they run. */
const WARM_UP = 30;

/** All in milliseconds; `gapMs`: the longest time without an answer while changes were made, `quietGapMs`: as long before. */
export type Change = { medianMs: number; worstMs: number; verbMedianMs: number; commitMedianMs: number; gapMs: number; quietGapMs: number };

const median = (values: number[]): number => [...values].sort((one, other) => one - other)[values.length >> 1] ?? 0;

/** Changes the option `root-path` of the first machine `times` times through the API, then as often by a commit of its row alone. */
export async function measureChange(prybar: Prybar, apiPort: number, times: number, tools: Tools): Promise<Change> {
  await prybar.startMore('api', 'dist/src/bin/api.js', { PRYBAR_PORT: String(apiPort) });
  await prybar.startMore('hooks', 'dist/workers/hooks.js', {});
  const token = readFileSync(join(prybar.env['PRYBAR_HOME'] ?? '', 'admin-token'), 'utf8').trim();
  const client = createClient({ baseUrl: `http://127.0.0.1:${apiPort}`, token });
  const watch = await askWithoutPause({ port: prybar.port, relayPort: 0 });
  const carries = (text: string) => watch.until((offer) => optionOf(offer, ROOT_PATH)?.toString() === text);
  const [whole, verbs, commits]: number[][] = [[], [], []];
  let [quietGapMs, gapMs] = [0, 0];
  try {
    for (let round = 0; round < WARM_UP + times; round += 1) {
      const path = `/srv/api-${round}`;
      const startedAt = performance.now();
      const answered = carries(path);
      await client.nodes.update('1', { dhcp_options: { 'root-path': path } });
      const verbMs = performance.now() - startedAt;
      const wholeMs = (await answered) - startedAt;
      await sleep(SETTLE_MS);
      if (round === WARM_UP - 1) {
        watch.takeGapMs();
        await sleep(QUIET_MS);
        quietGapMs = watch.takeGapMs();
      }
      if (round < WARM_UP) continue;
      verbs.push(verbMs);
      whole.push(wholeMs);
    }
    gapMs = watch.takeGapMs();
    for (let round = 0; round < times; round += 1) {
      const path = `/srv/row-${round}`;
      const startedAt = performance.now();
      const answered = carries(path);
      await prybar.db.pool.query(
        `WITH t AS (UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1 RETURNING revision)
         UPDATE dhcp_entries SET options = jsonb_build_object('root-path', $1::text), revision = t.revision FROM t WHERE node_id = 1`,
        [path],
      );
      commits.push((await answered) - startedAt);
      await sleep(SETTLE_MS);
    }
  } finally {
    await watch.close();
  }
  const change = { medianMs: median(whole), worstMs: Math.max(...whole), verbMedianMs: median(verbs), commitMedianMs: median(commits), gapMs, quietGapMs };
  tools.say(
    `    change: ${change.medianMs.toFixed(1)} ms median, ${change.worstMs.toFixed(1)} ms worst (the verb ${change.verbMedianMs.toFixed(1)} ms); ` +
      `from the row's commit ${change.commitMedianMs.toFixed(1)} ms; longest gap ${change.gapMs.toFixed(1)} ms, without changes ${change.quietGapMs.toFixed(1)} ms`,
  );
  return change;
}
