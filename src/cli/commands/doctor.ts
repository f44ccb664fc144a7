import type { Command } from 'commander';
import { z } from 'zod';
import { runLocal } from '../local-program.js';
import { ExitCode } from '../failure.js';
import type { Cli } from '../session.js';
import { renderTable, type Column } from '../table.js';

const findingsSchema = z.object({
  items: z.array(z.object({ area: z.string(), name: z.string(), state: z.enum(['ok', 'warning', 'missing']), detail: z.string(), fix: z.string() })),
});
type Finding = z.infer<typeof findingsSchema>['items'][number];

const TONES = { ok: 'active', warning: 'warn', missing: 'error' } as const;

const COLUMNS: Column<Finding>[] = [
  { title: 'AREA', value: (finding) => finding.area },
  { title: 'NAME', value: (finding) => finding.name, tone: () => 'strong' },
  { title: 'STATE', value: (finding) => finding.state, tone: (finding) => TONES[finding.state] },
  { title: 'DETAIL', value: (finding) => finding.detail },
  { title: 'FIX', value: (finding) => finding.fix },
];

/** `prybar doctor`: what real machines need of this one. */
export function addDoctor(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description('what real machines need here: loaders, images, programs, ports; what is missing, and the fix (exit 1 when something is missing)')
    .action((_options: unknown, command: Command) =>
      cli.run(command, async (session) => {
        const { answer, good } = await runLocal(session, ['doctor'], findingsSchema);
        session.output.print(answer, ({ items }) => renderTable(COLUMNS, items, session.output.look, session.output.width));
        return good ? ExitCode.ok : ExitCode.failed;
      }),
    );
}
