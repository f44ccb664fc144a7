/** The plan in an operator's words, the most dangerous first. PURE. The same sentences in the CLI and on the web page. */
import type { Plan, PlanGroup } from './plan.js';

export type PlanLine = { tone: 'danger' | 'warn' | 'info'; text: string };

const SHOWN = 8;

export function planWords(plan: Plan): PlanLine[] {
  const lines: PlanLine[] = plan.refusals.map(({ message, parents }) => ({
    tone: 'warn',
    text: `cannot be committed: ${message}${parents.length === 0 ? '' : `: ${some(parents)}`}`,
  }));
  const danger = (text: string) => lines.push({ tone: 'danger', text });
  const warn = (text: string) => lines.push({ tone: 'warn', text });
  const info = (text: string) => lines.push({ tone: 'info', text });

  const fresh = plan.erases.filter((erase) => !erase.underway && !erase.held);
  const later = plan.erases.filter((erase) => !erase.underway && erase.held);
  const underway = plan.erases.filter((erase) => erase.underway);
  const disks = (erases: typeof plan.erases) =>
    some(
      erases.map(
        ({ node, disk, os }) => `${node} (${disk === null ? 'disk not known yet' : `${disk.name}${sizeOf(disk.size_bytes)}`}${os === null ? '' : `, ${os}`})`,
      ),
    );
  if (fresh.length > 0)
    danger(
      `${machines(fresh.length)} will be reinstalled: ${fresh.length === 1 ? 'its disk is' : 'their disks are'} ERASED, and ${fresh.length === 1 ? 'it reboots' : 'they reboot'}: ${disks(fresh)}`,
    );
  if (later.length > 0)
    danger(
      `${machines(later.length)} will be reinstalled as soon as nothing holds ${later.length === 1 ? 'it' : 'them'} back any more (see below), and ${later.length === 1 ? 'its disk is' : 'their disks are'} ERASED then: ${disks(later)}`,
    );
  if (underway.length > 0)
    warn(
      `${machines(underway.length)} ${underway.length === 1 ? 'is' : 'are'} to be reinstalled already, by an earlier commit or a redeploy: ${disks(underway)}`,
    );
  if (plan.runs === 0) info('nothing will run');
  else info(`${count(plan.runs, 'noderole')} will run on ${count(plan.nodes.length, 'machine')}, in ${count(plan.waves.length, 'wave')}`);
  for (const [reason, one, many] of RERUNS) {
    const found = gather(plan, reason);
    if (found.length > 0) info(`${count(found.length, 'noderole')} ${found.length === 1 ? `runs again, ${one}` : `run again, ${many}`}: ${some(found)}`);
  }
  const follow = names(plan.follow);
  if (follow.length > 0)
    info(
      `${count(follow.length, 'noderole')} below ${follow.length === 1 ? 'stays' : 'stay'} ACTIVE, and ${follow.length === 1 ? 'runs again only if what its' : 'run again only if what their'} parents leave behind changes: ${some(follow)}`,
    );
  if (plan.drift.length > 0)
    warn(
      `${count(plan.drift.length, 'installed system')} ${plan.drift.length === 1 ? 'stays as it is' : 'stay as they are'}, though the data changed (drift; only a redeploy installs anew): ${some(plan.drift)}`,
    );
  if (plan.failed.length > 0)
    warn(`${count(plan.failed.length, 'noderole')} in ERROR ${plan.failed.length === 1 ? 'stays' : 'stay'} so until retried: ${some(plan.failed)}`);
  for (const { why, noderoles } of plan.held) warn(`${count(noderoles.length, 'noderole')} will wait, because ${why}: ${some(noderoles)}`);
  if (plan.asleep.length > 0)
    info(`${machines(plan.asleep.length)} ${plan.asleep.length === 1 ? 'is' : 'are'} not alive and will be switched on for it: ${some(plan.asleep)}`);
  for (const { deployment, noderoles, nodes } of plan.affected)
    warn(
      `beyond this deployment: ${count(noderoles, 'noderole')} of ${deployment} on ${count(nodes, 'node')} ${noderoles === 1 ? 'stands' : 'stand'} below what runs`,
    );
  if (plan.rolling && plan.runs > 0)
    info(`a rolling change: not all machines at once, and it pauses by itself when too many fail (prybar rollout show ${plan.deployment.name})`);
  if (plan.runs > 0) info(durationWords(plan));
  return lines;
}

const RERUNS = [
  ['data', 'because its data changed', 'because their data changed'],
  ['wanted', 'because it reads data of another role that changed', 'because they read data of another role that changed'],
  ['members', 'because the members of a cluster change', 'because the members of a cluster change'],
  ['installed', 'because the system below it is installed anew', 'because the system below them is installed anew'],
] as const;

function durationWords({ duration: { seconds, unknownRoles } }: Plan): string {
  if (seconds === null) return `expected duration unknown: no run of ${some(unknownRoles)} has succeeded yet`;
  const least = unknownRoles.length === 0 ? 'about' : 'at least';
  return `expected duration: ${least} ${spanOf(seconds)}${unknownRoles.length === 0 ? '' : ` (unknown for ${some(unknownRoles)})`}`;
}

function spanOf(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 360) / 10} h`;
}

const gather = (plan: Plan, reason: PlanGroup['reason']) => names(plan.waves.flat().filter((group) => group.reason === reason));
const names = (groups: readonly PlanGroup[]) => groups.flatMap((group) => group.nodes.map((node) => `${group.role}@${node}`));
const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;
const machines = (n: number) => count(n, 'machine');
const sizeOf = (bytes: number | undefined) => (bytes === undefined ? '' : `, ${Math.round(bytes / 1e9)} GB`);

function some(words: readonly string[]): string {
  const shown = words.slice(0, SHOWN).join(', ');
  return words.length > SHOWN ? `${shown} and ${words.length - SHOWN} more` : shown;
}
