/**
 * Rendered files by name, for the servers that machines fetch them from. What is in one is decided at each request; a file
 * with a token goes only to the address that is leased to its MAC (netboot-rules 19): `offer.ts` sees to that.
 */
import { macWithDashes } from '../shared/mac.js';
import type { LeaseLookup } from './leased.js';
import { GRUB_ENTRY } from './grub.js';
import { offerScript, type Offer, type OfferDeps } from './offer.js';
import { PXELINUX_DEFAULT } from './pxelinux.js';
import { parseRenderedName } from './rendered-names.js';
import { imageDirectory } from './stand-ins.js';

/** `mac` and `offer`: whose file it is and what was decided; null and absent for one that everybody gets. */
export type RenderedText = { text: string; mac: string | null; offer?: Offer };

export type RenderedFiles = {
  /** The text behind the name, undefined when it is not one of ours. Throws when the database cannot be read. */
  text(name: string, asker: { address: string; look: boolean }): Promise<RenderedText | undefined>;
  /** Where a kernel or initrd of that name lies: a directory, and the name in it. */
  directory(name: string): { root: string; name: string } | undefined;
};

export function createRenderedFiles(deps: OfferDeps & { macOf: LeaseLookup }): RenderedFiles {
  const text: RenderedFiles['text'] = async (name, { address, look }) => {
    const asked = parseRenderedName(name);
    switch (asked?.kind) {
      case 'script': {
        const offer = await offerScript(deps, { mac: asked.mac, address, look, form: asked.form });
        return { text: offer.script, mac: asked.mac, offer };
      }
      case 'grub-entry':
        return { text: GRUB_ENTRY, mac: null };
      case 'pxelinux-default':
        return { text: PXELINUX_DEFAULT, mac: null };
      case 'autoexec':
        return { text: autoexec(deps.baseUrl, await deps.macOf(address)), mac: null };
      case 'payload':
      case undefined:
        return undefined;
    }
  };
  return {
    text,
    directory(name) {
      const asked = parseRenderedName(name);
      return asked?.kind === 'payload' ? { root: imageDirectory(deps.home, asked.bootenv), name: asked.file } : undefined;
    },
  };
}

/** iPXE runs it by itself; without a lease for the address it names the NIC it came by. https://ipxe.org/appnote/uefihttp */
function autoexec(baseUrl: string, mac: string | null): string {
  const name = mac === null ? '${netX/mac:hexhyp}' : macWithDashes(mac);
  return `#!ipxe\nisset \${netX/ip} || dhcp || reboot\nchain --replace ${baseUrl}/boot/ipxe/${name} || reboot\n`;
}
