/** What a boot script hands to the kernel and what the ramdisk reads back from /proc/cmdline. */
export type KernelLine = {
  /** The whole line, for the console. */
  readonly text: string;
  readonly words: ReadonlyMap<string, string>;
};

/** Splits a kernel line into `name=value` words; a bare word has the value ''. The last of a repeated name wins, as in Linux. */
export function parseKernelLine(text: string): KernelLine {
  const words = new Map<string, string>();
  for (const word of text.split(/\s+/)) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    if (equals === -1) words.set(word, '');
    else words.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return { text, words };
}

/** Whether BOOTIF names this NIC, as `01-` and dashes (pxelinux's form). A ramdisk that is told another one waits for ever. */
export function isBootNic(line: KernelLine, mac: string): boolean {
  return line.words.get('BOOTIF')?.toLowerCase() === `01-${mac.replaceAll(':', '-')}`;
}

/**
 * Where the installer finds its answers: Debian's `url=` or `preseed/url=`, Red Hat's `inst.ks=`, cloud-init's
 * `ds=nocloud;s=` (a folder: `user-data` is asked for), or undefined.
 */
export function answersUrl(line: KernelLine): string | undefined {
  const direct = line.words.get('url') ?? line.words.get('preseed/url') ?? line.words.get('inst.ks') ?? line.words.get('prybar.answers');
  if (direct !== undefined && direct !== '') return direct;
  const seed = /^nocloud(?:-net)?;(?:.*;)?s=([^;]+)/.exec(unquoted(line.words.get('ds') ?? ''))?.[1];
  return seed === undefined ? undefined : `${seed.endsWith('/') ? seed : `${seed}/`}user-data`;
}

/** GRUB and some scripts quote the semicolon: `ds=nocloud\;s=` or `"ds=nocloud;s="`. */
function unquoted(text: string): string {
  return text.replaceAll(/[\\"']/g, '');
}
