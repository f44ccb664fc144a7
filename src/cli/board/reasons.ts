/** What to say at the end: how much was done, or why not all of it. Reads /why; shell. */
import { ClientError, type Client } from '../../client/client.js';
import type { Why } from '../answers.js';
import { countText, durationText, rateText } from '../terminal/words.js';
import type { BoardFeed } from './feed.js';
import type { BoardState } from './model.js';
import { boundMachines, cellName, unfinished } from './outcome.js';
import { boardRows, boardTotals } from './rows.js';

/** More reasons than this are not read: they are counted. */
const MOST_REASONS = 20;

/** The answer of `why` and what to do about it, in one line. */
export function whyLine(why: Why): string {
  return `${why.noderole.name} is ${why.noderole.state}: ${why.answer}${why.unblock === '' ? '' : ` -> ${why.unblock}`}`;
}

/** What went wrong with the first noderole of the node that is in ERROR: for a line that appears at once. */
export async function errorOf(client: Client, state: BoardState, nodeId: number, signal: AbortSignal): Promise<string> {
  const cell = unfinished(state).find((one) => one.nodeId === nodeId && one.state === 'ERROR');
  if (cell === undefined) return 'set right meanwhile';
  const name = cellName(state, cell);
  try {
    const { error } = await client.nodeRoles.get(cell.id, { signal });
    return error === null ? name : `${name}: ${error.message} (${error.code})`;
  } catch (failure) {
    // The line is worth printing without its reason; what is wrong with the server, the next snapshot says.
    if (failure instanceof ClientError) return name;
    throw failure;
  }
}

/** How many nodes, noderoles and seconds it took, and at what pace. */
export function summaryLines(feed: BoardFeed, elapsedSeconds: number): string[] {
  const state = feed.state();
  const totals = boardTotals(boardRows(state));
  const pace = elapsedSeconds > 0 ? feed.transitions() / elapsedSeconds : 0;
  const name = state.deployment?.name ?? 'no deployment';
  return [
    `${name}: ${countText(totals.nodes, 'node')}, ${totals.done} of them all ACTIVE; ${totals.counts.ACTIVE} of ${countText(totals.noderoles, 'noderole')} ACTIVE`,
    `${durationText(elapsedSeconds)} on the board (${elapsedSeconds.toFixed(1)} seconds), ${countText(feed.transitions(), 'transition')}, ${rateText(pace)} transitions per second`,
  ];
}

export type ExplainOptions = {
  expectNodes: number;
  timedOut: boolean;
  elapsedSeconds: number;
  deploymentName: string;
  signal: AbortSignal;
};

/** Why the deployment is not ACTIVE: the roots first, each with what to do. Noderoles blocked by one in ERROR are counted, not listed. */
export async function explain(client: Client, feed: BoardFeed, options: ExplainOptions): Promise<string[]> {
  const state = feed.state();
  const lines: string[] = [];
  if (options.timedOut) lines.push(`not all ACTIVE after ${durationText(options.elapsedSeconds)}`);
  if (feed.problem() !== '') lines.push(feed.problem());
  if (state.deployment === null) return [...lines, `deployment ${options.deploymentName} does not exist; look: prybar deployments list`];
  if (!state.deployment.committed) lines.push(`deployment ${state.deployment.name} is not committed; next: prybar deployments commit ${state.deployment.name}`);
  const bound = boundMachines(state);
  if (bound < options.expectNodes)
    lines.push(`${bound} of ${countText(options.expectNodes, 'expected node')} have noderoles in ${state.deployment.name}; look: prybar nodes list`);
  const open = unfinished(state);
  const failed = open.filter((cell) => cell.state === 'ERROR');
  const listed = failed.length > 0 && !options.timedOut ? failed : open.filter((cell) => cell.state !== 'BLOCKED' || failed.length === 0);
  for (const cell of listed.slice(0, MOST_REASONS)) lines.push(await reasonOf(client, state, cell.id, options.signal));
  if (listed.length > MOST_REASONS) lines.push(`and ${listed.length - MOST_REASONS} more`);
  const blocked = open.filter((cell) => cell.state === 'BLOCKED').length;
  if (blocked > 0 && failed.length > 0) lines.push(`${countText(blocked, 'noderole')} BLOCKED behind`);
  return lines;
}

async function reasonOf(client: Client, state: BoardState, id: number, signal: AbortSignal): Promise<string> {
  const cell = state.cells.get(id);
  try {
    return whyLine(await client.nodeRoles.why(id, { signal }));
  } catch (failure) {
    // A reason that cannot be read must not hide the others.
    if (!(failure instanceof ClientError)) throw failure;
    return cell === undefined ? `noderole ${id}: ${failure.detail}` : `${cellName(state, cell)} is ${cell.state} (why: ${failure.detail})`;
  }
}
