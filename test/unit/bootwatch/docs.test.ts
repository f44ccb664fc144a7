/** docs/boot-doctor.md is the table of causes in words: this test holds it true. PRYBAR_WRITE_DOCS=1 writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { ADDRESS_CAUSES } from '../../../src/bootwatch/causes-address.js';
import { LOADER_CAUSES } from '../../../src/bootwatch/causes-loader.js';
import { POWER_CAUSES } from '../../../src/bootwatch/causes-power.js';
import { SCRIPT_CAUSES } from '../../../src/bootwatch/causes-script.js';
import { SYSTEM_CAUSES } from '../../../src/bootwatch/causes-system.js';
import type { Cause } from '../../../src/bootwatch/cause.js';

const PAGE = 'docs/boot-doctor.md';

const HEAD = `# Where a boot stopped

\`prybar boot timeline <node>\` shows every packet and transfer of a machine's present boot as our servers saw it, with the
gaps between them; \`--watch\` goes on, \`--all\` has earlier boots. \`<node>\` is a name, an id or a MAC; machines that are no node
yet are in \`prybar boot unknown\`. The node's page in the browser has the same.

\`prybar boot doctor <node>\` names the cause of a stall and the switch to flip. Each cause comes with how sure it is:

- **certain**: our own record says so (we refused, we had no such file, another server was chosen).
- **likely**: what was seen fits, and nothing else known fits better.
- **possible**: it fits, as others do.

It exits with 1 when the boot has stopped, so that a script can wait for it. Nothing is changed by asking. Steps are kept
per machine by number and age (\`PRYBAR_BOOT_STEPS_KEEP\`, \`PRYBAR_BOOT_STEPS_KEEP_DAYS\`). When more is heard than can be written
(20,000 steps wait, 4,000 a second are written), machines that are under way are told to their end and others are left out; the
next step of such a machine says how many came before it, and the DHCP server's counter \`eventsLeftOut\` grows.

The causes, in the order of a boot. Each has a test: seeded faults through the simulator (\`test/support/boot-faults.ts\`).
`;

const section = (title: string, causes: readonly Cause[]) =>
  `\n## ${title}\n\n${causes
    .map(({ id, title: name, means, fix, proof, source }) => `### ${name}\n\n\`${id}\`. ${means}\n\n- Do: ${fix}\n- Proof: ${proof}\n- Source: ${source}\n`)
    .join('\n')}`;

it('every cause of the table stands in the page, as it is', () => {
  const page =
    HEAD +
    section('Power, boot order, servers', POWER_CAUSES) +
    section('The address', ADDRESS_CAUSES) +
    section('The loader', LOADER_CAUSES) +
    section('Script and kernel', SCRIPT_CAUSES) +
    section('The system', SYSTEM_CAUSES);
  if (process.env['PRYBAR_WRITE_DOCS'] === '1') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
