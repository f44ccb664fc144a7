/** What the files of another DHCP server tell of its machines, whatever the format. Each thing knows the line it stands on. */

export type FoundHost = {
  /** From 1. */
  line: number;
  /** `reservation`: the machine's own; `lease`: held until `expiresAt`. */
  kind: 'reservation' | 'lease';
  /** Lower case, with colons. */
  mac: string;
  address: string;
  hostname: string | null;
  /** Seconds since 1970; null: a reservation, or a lease that never ends. */
  expiresAt: number | null;
};

/** `blocking`: something of the file would be lost or wrong; otherwise it is worth knowing only. */
export type FoundProblem = { line: number; message: string; fix: string; blocking: boolean };

export type Found = {
  hosts: FoundHost[];
  /** Blocks that the file declares, as CIDR: what `prybar networks create` needs. */
  subnets: string[];
  problems: FoundProblem[];
};

export const nothingFound = (): Found => ({ hosts: [], subnets: [], problems: [] });

/** RFC 1123 section 2.1, as DNS and the API take it. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const LONGEST_NAME = 253;

/** The name in small letters; one that is none is left out, and said. */
export function foundName(found: Found, line: number, text: string | undefined): string | null {
  const name = (text ?? '').toLowerCase().replace(/\.$/, '');
  if (name === '' || name === '*') return null;
  if (NAME.test(name) && name.length <= LONGEST_NAME) return name;
  found.problems.push({
    line,
    message: `the name ${JSON.stringify(text)} is none that DNS takes; the address is imported without it`,
    fix: 'give it letters, digits and dashes, then import again',
    blocking: false,
  });
  return null;
}

/** Records something that the import cannot take over. */
export function refuse(found: Found, line: number, message: string, fix: string): void {
  found.problems.push({ line, message, fix, blocking: true });
}

/** A file that is not read with this one. */
export function notFollowed(found: Found, line: number, what: string): void {
  found.problems.push({ line, message: `${what} names another file, which is not read with this one`, fix: 'import that file as well', blocking: false });
}
