/** A thread that carries transfers of large files: it does what it is told and tells what happens. Decides nothing. */
import { parentPort } from 'node:worker_threads';
import { FileCache } from '../shared/file-cache.js';
import { FileContent } from './content.js';
import { DataPackets } from './data-packets.js';
import { SharedCounts, type LaneNews, type LaneOrder } from './lane-messages.js';
import { Transfer } from './transfer.js';

/** Of pieces of files; those of other threads are their own. */
const CACHE_BYTES = 32 * 1024 * 1024;

const cache = new FileCache({ maxBytes: CACHE_BYTES });
const packets = new DataPackets();
const running = new Map<number, Transfer>();

const tell = (news: LaneNews): void => parentPort?.postMessage(news);

function follow(order: LaneOrder): void {
  const { id } = order;
  switch (order.kind) {
    case 'start': {
      const transfer = new Transfer({
        ...order.route,
        content: new FileContent(order.file, cache),
        packets,
        counts: new SharedCounts(order.counts),
        onProgress: (fraction) => tell({ kind: 'progress', id, fraction }),
        onEnd: (end) => {
          running.delete(id);
          tell({ kind: 'ended', id, end });
        },
      });
      running.set(id, transfer);
      void transfer.start();
      return;
    }
    // One that is not there has just ended by itself, and that is on its way.
    case 'end':
      running.get(id)?.end(order.outcome, order.reason);
      return;
    case 'abort':
      void running.get(id)?.abort(order.outcome, order.reason);
  }
}

parentPort?.on('message', follow);
tell({ kind: 'ready' });
