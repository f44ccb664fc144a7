/**
 * PURE: what a simulated machine does with a script of a run. It never executes it: this process runs on the operator's
 * machine. It reads the script for what it would print (`echo` and comment lines) and for directives that a test or a demo
 * puts there, and pretends:
 *   `# sim: sleep 0.5`   takes half a second, here
 *   `# sim: exit 3`      ends with status 3, here
 *   `# sim: wall {...}`  publishes attributes, as a real script does through its wall file
 */

export type ScriptStep = { kind: 'log'; text: string } | { kind: 'sleep'; seconds: number };

export type ScriptPlan = {
  readonly steps: readonly ScriptStep[];
  readonly exitStatus: number;
  readonly wall: Readonly<Record<string, unknown>> | undefined;
};

/** Log lines a script may make; what is more is counted and left out. */
const MAX_LINES = 60;
/** A directive cannot hold a machine for longer than this. */
const MAX_SLEEP_SECONDS = 3_600;

const DIRECTIVE = /^#\s*sim:\s*(\w+)\s*(.*)$/;
const ECHO = /^echo\s+(?:-[neE]+\s+)?(.*)$/;

/** Reads the script top to bottom; `env` fills `$NAME` and `${NAME}`. `scriptSeconds` is spread over the lines when it has no sleep of its own. */
export function planScript(script: string, env: Readonly<Record<string, string>>, scriptSeconds: number): ScriptPlan {
  const steps: ScriptStep[] = [];
  let exitStatus = 0;
  let wall: Record<string, unknown> | undefined;
  let sleeps = false;

  const lines = script.split(/\r?\n/);
  for (const raw of lines) {
    const line = raw.trim();
    const directive = DIRECTIVE.exec(line);
    if (directive !== null) {
      const [, name = '', argument = ''] = directive;
      if (name === 'sleep') {
        sleeps = true;
        steps.push({ kind: 'sleep', seconds: boundedSeconds(argument) });
      } else if (name === 'wall') {
        const attributes = readObject(argument);
        if (attributes === undefined) steps.push({ kind: 'log', text: `# sim: wall needs a JSON object: ${argument}` });
        else wall = { ...wall, ...attributes };
      } else if (name === 'exit') {
        exitStatus = Number.parseInt(argument, 10) || 0;
        break;
      }
      continue;
    }
    const text = spokenText(line, env);
    if (text !== undefined) steps.push({ kind: 'log', text });
  }
  const logs = limitLines(padLines(steps, lines.length));
  return { steps: sleeps ? logs : spread(logs, scriptSeconds), exitStatus, wall };
}

/** What the line would put on the terminal, or undefined. */
function spokenText(line: string, env: Readonly<Record<string, string>>): string | undefined {
  if (line.startsWith('#!')) return undefined;
  if (line.startsWith('#')) return line;
  const echoed = ECHO.exec(line)?.[1];
  if (echoed === undefined) return undefined;
  const text = echoed.replace(/\s*(?:>|>>|\||;|&&).*$/, '').replace(/^(['"])(.*)\1$/, '$2');
  return text.replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) => env[name] ?? '');
}

/** A script that says nothing still shows that it ran. */
function padLines(steps: ScriptStep[], lineCount: number): ScriptStep[] {
  if (steps.filter((step) => step.kind === 'log').length >= 3) return steps;
  return [
    { kind: 'log', text: `simulated: ${lineCount} lines read, none executed` },
    { kind: 'log', text: 'simulated: start' },
    ...steps,
    { kind: 'log', text: 'simulated: end' },
  ];
}

function limitLines(steps: ScriptStep[]): ScriptStep[] {
  let lines = 0;
  const kept = steps.filter((step) => step.kind === 'sleep' || (lines += 1) <= MAX_LINES);
  if (lines > MAX_LINES) kept.push({ kind: 'log', text: `simulated: ${lines - MAX_LINES} more lines` });
  return kept;
}

/** Two pauses, after a third and after two thirds of the lines: three log chunks, as a real script's output arrives. */
function spread(steps: ScriptStep[], scriptSeconds: number): ScriptStep[] {
  if (scriptSeconds <= 0) return steps;
  const third = Math.ceil(steps.length / 3);
  const rest: ScriptStep = { kind: 'sleep', seconds: scriptSeconds / 2 };
  return [...steps.slice(0, third), rest, ...steps.slice(third, 2 * third), rest, ...steps.slice(2 * third)];
}

function boundedSeconds(text: string): number {
  const seconds = Number.parseFloat(text);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MAX_SLEEP_SECONDS) : 0;
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    // A malformed directive is shown in the log of its run, where its author looks.
    return undefined;
  }
}
