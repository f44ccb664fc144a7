/** The board's loop: reads the feed, draws on a terminal or prints lines, and says how it ended. Shell. */
import path from 'node:path';
import type { Client } from '../../client/client.js';
import { openScreen, usableColumns, type LiveOutput, type LiveRegion } from '../terminal/live-region.js';
import { createLook, describeTerminal, hasUnicode, type Look } from '../terminal/look.js';
import { openFeed, type BoardFeed } from './feed.js';
import { cellName, newMilestones, unfinished } from './outcome.js';
import { milestoneLine, progressLine } from './plain.js';
import { errorOf, explain, summaryLines } from './reasons.js';
import { renderBoard, type BoardFrame } from './render.js';
import { boardRows, boardTotals, roleProgress } from './rows.js';
import { waitForEnd } from './until.js';

export type BoardOptions = {
  client: Client;
  /** The data directory: where the other files of this installation are. */
  home: string;
  url: string;
  tokenFile: string;
  /** Ends the board: Ctrl-C, or a server that failed. */
  signal: AbortSignal;
  out: LiveOutput;
  /** Resolve when the deployment is ACTIVE on the expected nodes, or cannot become so. */
  untilActive: boolean;
  deploymentName: string;
  /** How many nodes must have noderoles in the deployment before it can be done. */
  expectNodes: number;
  /** Lines instead of a picture, on a terminal too. */
  plain?: boolean;
  /** With untilActive: seconds after which it gives up. Default 600. */
  timeoutSeconds?: number;
  env?: NodeJS.ProcessEnv;
  now?: () => number;
};

export type BoardResult = {
  outcome: 'active' | 'error' | 'stopped';
  summary: string[];
  reasons: string[];
};

const LINE_EVERY_MS = 2_000;
/** The whole picture is cleared and drawn again this often, in case something else wrote to the terminal. */
const REPAIR_MS = 5_000;
const DEFAULT_TIMEOUT_SECONDS = 600;

/** What both ways of showing have in common. */
type Display = { show: (frame: BoardFrame, feed: BoardFeed) => Promise<void>; close: () => void };

function openPicture(out: LiveOutput, look: Look, now: () => number): Display {
  const region: LiveRegion = openScreen(out);
  const onResize = (): void => region.reset();
  const onExit = (): void => region.close();
  out.on?.('resize', onResize);
  process.once('exit', onExit);
  let shown: ReadonlySet<number> = new Set();
  let last = '';
  let repairAt = now() + REPAIR_MS;
  let lines: string[] = [];
  return {
    show: async (frame) => {
      const size = { width: usableColumns(out), height: out.rows || 24 };
      const picture = renderBoard({ ...frame, shown }, size, look);
      shown = picture.shown;
      lines = picture.lines;
      const text = `${size.width}x${size.height}\n${lines.join('\n')}`;
      if (now() >= repairAt) {
        region.reset();
        repairAt = now() + REPAIR_MS;
      } else if (text === last) return;
      last = text;
      region.draw(lines);
    },
    close: () => {
      out.off?.('resize', onResize);
      process.off('exit', onExit);
      region.close();
      // The alternate screen is gone; the last picture stays where one can scroll back to it.
      out.write(`${lines.join('\n')}\n`);
    },
  };
}

function openLines(out: LiveOutput, client: Client, signal: AbortSignal, now: () => number): Display {
  const told = new Map<number, string>();
  let nextLineAt = 0;
  return {
    show: async (frame, feed) => {
      for (const milestone of newMilestones(frame.rows, told)) {
        told.set(milestone.row.id, milestone.reached);
        const reason = milestone.reached === 'ERROR' ? await errorOf(client, feed.state(), milestone.row.id, signal) : '';
        out.write(`${milestoneLine(milestone, frame.elapsedSeconds, reason)}\n`);
      }
      if (now() < nextLineAt) return;
      nextLineAt = now() + LINE_EVERY_MS;
      out.write(`${progressLine(frame)}\n`);
    },
    close: () => undefined,
  };
}

function frameOf(options: BoardOptions, feed: BoardFeed, elapsedSeconds: number): BoardFrame {
  const state = feed.state();
  const rows = boardRows(state);
  const failed = unfinished(state).find((cell) => cell.state === 'ERROR');
  const note = feed.problem() !== '' ? feed.problem() : failed === undefined ? '' : `next: prybar why ${cellName(state, failed)}`;
  const { url, tokenFile, deploymentName } = options;
  return {
    url,
    tokenFile,
    elapsedSeconds,
    deployment: state.deployment,
    deploymentName,
    transitionsPerSecond: feed.rate(),
    totals: boardTotals(rows),
    roles: roleProgress(state),
    rows,
    shown: new Set(),
    note,
  };
}

function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

/**
 * Shows the board until the signal aborts or, with `untilActive`, until the deployment is ACTIVE or cannot become so. Never prints the
 * summary or the reasons: the caller does. Throws ClientError when the server refuses the token.
 */
export async function runBoard(options: BoardOptions): Promise<BoardResult> {
  const { client, out, signal } = options;
  const env = options.env ?? process.env;
  const now = options.now ?? (() => performance.now());
  const begun = now();
  const elapsed = (): number => (now() - begun) / 1000;
  // The stream and every request end with the board, also when it ends by itself.
  const ending = new AbortController();
  const until = AbortSignal.any([signal, ending.signal]);
  const feed = openFeed({ client, deploymentName: options.deploymentName, signal: until, now });
  const picture = out.isTTY === true && options.plain !== true && env.TERM !== 'dumb';
  const look = picture ? describeTerminal(env, out) : createLook({ colour: false, unicode: hasUnicode(env) });
  const shownOptions = { ...options, tokenFile: shownPath(options.tokenFile) };
  const display = picture ? openPicture(out, look, now) : openLines(out, client, until, now);
  try {
    const end = await waitForEnd({
      feed,
      show: () => display.show(frameOf(shownOptions, feed, elapsed()), feed),
      expectNodes: options.expectNodes,
      untilActive: options.untilActive,
      timeoutSeconds: options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS,
      signal,
      now,
    });
    const summary = summaryLines(feed, elapsed());
    if (end === 'stopped') return { outcome: 'stopped', summary, reasons: [] };
    if (end === 'active') return { outcome: 'active', summary, reasons: [] };
    const reasons = await explain(client, feed, {
      expectNodes: options.expectNodes,
      timedOut: end === 'timeout',
      elapsedSeconds: elapsed(),
      deploymentName: options.deploymentName,
      signal,
    });
    return { outcome: 'error', summary, reasons };
  } finally {
    display.close();
    ending.abort();
  }
}
