/** A follower of the event stream over the real API, that comes back where it was cut: what it was given, in order. */
import { createClient } from '../../src/client/client.js';
import type { Queryable } from '../../src/db/client.js';
import { currentPosition, readEpoch } from '../../src/events/read.js';
import { formatCursor, parseCursor, WHOLE_BATCH } from '../../src/events/cursor.js';

export class Follower {
  /** `pos.n` of each event. */
  readonly ids: string[] = [];
  resets = 0;
  /** How often the stream was cut. */
  cuts = 0;
  private readonly stop = new AbortController();
  private following: Promise<void> = Promise.resolve();

  private constructor(readonly from: number) {}

  static async start(address: { baseUrl: string; token: string }, db: Queryable): Promise<Follower> {
    const from = await currentPosition(db);
    const follower = new Follower(from);
    const after = formatCursor({ epoch: await readEpoch(db), pos: from, n: WHOLE_BATCH });
    follower.following = follower.follow(address, after).catch((error: unknown) => {
      follower.ids.push(`the stream ended: ${error instanceof Error ? error.message : String(error)}`);
    });
    return follower;
  }

  /** The last position of which it has seen something. */
  position(): number {
    return Number(this.ids.at(-1)?.split('.')[0] ?? this.from);
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.following;
  }

  private async follow(address: { baseUrl: string; token: string }, after: string): Promise<void> {
    const client = createClient(address);
    for await (const event of client.events({ after, signal: this.stop.signal, onConnection: (state) => void (state === 'lost' && this.cuts++) })) {
      if (event.type === 'reset') {
        this.resets++;
        continue;
      }
      const cursor = parseCursor(event.id);
      this.ids.push(cursor === undefined ? event.id : `${cursor.pos}.${cursor.n}`);
    }
  }
}
