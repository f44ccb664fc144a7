/** DHCP answers and captures as text. Pure. What a machine said is made printable here (attack 7). */
import type { Client } from '../../client/client.js';
import type { Look } from './look.js';
import { fit, printableLine } from './text-width.js';

type Answer<Method> = Method extends (...args: never[]) => Promise<infer Value> ? Value : never;
export type Reaction = Answer<Client['dhcp']['ask']>;
export type Explained = Answer<Client['dhcp']['explain']>;
type Words = NonNullable<Explained['packets'][number]['words']>;

const RULE_WIDTH = 12;
const NAME_WIDTH = 32;

/** The rules, the decision, and the reply with its options. */
export function reactionText({ network, decision, rules, reply }: Reaction, look: Look): string {
  const lines = rules.map(
    ({ rule, source, value }) => `${look.paint('running', fit(rule, RULE_WIDTH))} ${printableLine(value)} ${look.paint('faint', `(${source})`)}`,
  );
  const tone = decision.startsWith('ignore') || decision.startsWith('refuse') ? 'error' : 'active';
  lines.push('', `${look.paint(tone, printableLine(decision))}${network === null ? '' : ` on ${network}`}`);
  if (reply === null) return lines.join('\n');
  const left = reply.left_out.length === 0 ? '' : look.paint('warn', `; no room for options ${reply.left_out.join(', ')}`);
  lines.push(`${reply.words.type}, ${reply.bytes} bytes to ${reply.to}${left}`, ...fieldLines(reply.words, look), ...optionLines(reply.words, look));
  return lines.join('\n');
}

/** A paragraph for each packet, then what became of each client. */
export function explainedText({ packets, verdicts }: Explained, look: Look, withOptions: boolean): string {
  const lines = packets.flatMap((packet) => {
    const { number, from, to, mac, words, error, ours, complaints } = packet;
    const time = new Date(packet.at).toISOString().slice(11, 23);
    const what = words === null ? look.paint('error', `not a DHCP message: ${error ?? ''}`) : look.paint('strong', printableLine(words.type));
    const told = [`${look.paint('dim', `${String(number).padStart(3)} ${time}`)} ${what} ${mac} ${look.paint('faint', `${from} ${look.glyphs.arrow} ${to}`)}`];
    if (words !== null) told.push(...fieldLines(words, look));
    if (words !== null && withOptions) told.push(...optionLines(words, look));
    if (ours !== null) told.push(`    ${look.paint('running', 'we:')} ${printableLine(ours.decision)}${ours.network === null ? '' : ` on ${ours.network}`}`);
    for (const complaint of complaints)
      told.push(`    ${look.paint('error', `byte ${complaint.offset}:`)} ${printableLine(complaint.what)} ${look.paint('faint', `(${complaint.source})`)}`);
    return told;
  });
  return [...lines, '', ...verdicts.map(({ mac, text }) => `${look.paint('strong', mac)}: ${printableLine(text)}`)].join('\n');
}

const NONE = '0.0.0.0';

function fieldLines(words: Words, look: Look): string[] {
  const fields = (['ciaddr', 'yiaddr', 'siaddr', 'giaddr', 'sname', 'file'] as const).filter((name) => words[name] !== '' && words[name] !== NONE);
  if (fields.length === 0) return [];
  return [`    ${fields.map((name) => `${look.paint('dim', name)} ${printableLine(words[name])}`).join('  ')}`];
}

function optionLines({ options }: Words, look: Look): string[] {
  return options.map(({ code, name, value }) => `    ${look.paint('dim', fit(`${code} ${name}`, NAME_WIDTH))} ${printableLine(value)}`);
}
