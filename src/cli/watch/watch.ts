/** Watches a deployment until it is ACTIVE or cannot become so. Shell. */
import type { ApiEvent } from '../../client/client.js';
import { openFeed, type BoardFeed } from '../board/feed.js';
import { explain } from '../board/reasons.js';
import { boardRows, boardTotals, roleProgress } from '../board/rows.js';
import { waitForEnd, type End } from '../board/until.js';
import { CliError, ExitCode } from '../failure.js';
import type { Session } from '../session.js';
import { openInline, usableColumns, type LiveRegion } from '../terminal/live-region.js';
import { countText, durationText } from '../terminal/words.js';
import { renderWatch, watchLine, type WatchFrame } from './render.js';

export type WatchOptions = { deployment: string; timeoutSeconds: number };

const LINE_EVERY_MS = 2_000;

type Display = { show: (frame: WatchFrame) => void; close: () => void };

function openDisplay(session: Session): Display {
  const { output, stdout, stderr, now } = session;
  if (output.json) return { show: () => undefined, close: () => undefined };
  if (stdout.isTTY === true && session.env.TERM !== 'dumb') {
    const region: LiveRegion = openInline(stdout);
    const onExit = (): void => region.close();
    process.once('exit', onExit);
    return {
      show: (frame) => region.draw(renderWatch(frame, { width: usableColumns(stdout), height: stdout.rows || 24 }, output.look)),
      close: () => {
        process.off('exit', onExit);
        region.close();
      },
    };
  }
  let nextAt = 0;
  return {
    show: (frame) => {
      if (now() < nextAt) return;
      nextAt = now() + LINE_EVERY_MS;
      stderr.write(`${watchLine(frame)}\n`);
    },
    close: () => undefined,
  };
}

function frameOf(name: string, feed: BoardFeed, elapsedSeconds: number): WatchFrame {
  const state = feed.state();
  return {
    name,
    elapsedSeconds,
    transitionsPerSecond: feed.rate(),
    totals: boardTotals(boardRows(state)),
    roles: roleProgress(state),
    note: feed.problem(),
  };
}

/** With --json the stream itself is the answer, as far as it is about this deployment. */
function isAbout(event: ApiEvent, deploymentId: number): event is Extract<ApiEvent, { type: 'event' }> {
  if (event.type !== 'event') return false;
  return event.data.deployment_id === deploymentId || (event.subject_type === 'deployment' && event.subject_id === deploymentId);
}

async function report(session: Session, feed: BoardFeed, end: End, options: WatchOptions, elapsedSeconds: number): Promise<number> {
  const { client, output, signal } = session;
  if (end === 'stopped') return ExitCode.interrupted;
  const deployment = await client().deployments.get(options.deployment, { signal });
  if (end === 'active') {
    const total = feed.state().cells.size;
    output.printOne(
      deployment,
      () => `${deployment.name} is ${output.look.paint('active', 'ACTIVE')}: ${countText(total, 'noderole')} after ${durationText(elapsedSeconds)}`,
    );
    return ExitCode.ok;
  }
  const reasons = await explain(client(), feed, {
    expectNodes: 0,
    timedOut: end === 'timeout',
    elapsedSeconds,
    deploymentName: deployment.name,
    signal,
  });
  output.printOne(deployment, () => '');
  const detail = end === 'timeout' ? `${deployment.name} is not ACTIVE yet` : `${deployment.name} ended in ERROR`;
  throw new CliError({
    exitCode: ExitCode.failed,
    code: end === 'timeout' ? 'not-active' : 'ended-in-error',
    detail,
    reasons,
  });
}

/**
 * Shows the progress of a committed deployment. Returns the exit code when all is ACTIVE or Ctrl-C ended it. Throws CliError
 * with the reasons when something ended in ERROR or time ran out.
 */
export async function watchDeployment(session: Session, options: WatchOptions): Promise<number> {
  const { client, output, signal } = session;
  const ending = new AbortController();
  const deployment = await client().deployments.get(options.deployment, { signal });
  // A clock that never goes back; the session's tells the time of day.
  const now = (): number => performance.now();
  const begun = now();
  const elapsed = (): number => (now() - begun) / 1000;
  const onEvent = (event: ApiEvent): void => {
    if (!output.json || !isAbout(event, deployment.id)) return;
    const { type: _type, ...answer } = event;
    output.printOne(answer, () => '');
  };
  const feed = openFeed({
    client: client(),
    deploymentName: deployment.name,
    signal: AbortSignal.any([signal, ending.signal]),
    now,
    onEvent,
  });
  const display = openDisplay(session);
  let end: End;
  try {
    const show = async (): Promise<void> => display.show(frameOf(deployment.name, feed, elapsed()));
    end = await waitForEnd({
      feed,
      show,
      expectNodes: 0,
      untilActive: true,
      timeoutSeconds: options.timeoutSeconds,
      signal,
      now,
    });
  } finally {
    display.close();
    ending.abort();
  }
  return report(session, feed, end, options, elapsed());
}
