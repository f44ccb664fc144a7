import type { Command } from 'commander';
import type { Cli } from '../session.js';

/** `prybar boot ca`: the certificate that machines have to trust for HTTPS boot. */
export function addBootCa(boot: Command, cli: Cli): void {
  boot
    .command('ca')
    .description('the certificate of the authority of HTTPS boot, as PEM (docs/boot-files.md)')
    .action((_options: unknown, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        const authority = await client().boot.authority({ signal });
        output.print(authority, ({ pem }) => pem.trimEnd());
        output.hint(`SHA-256 ${authority.fingerprint_sha256}, good until ${authority.not_after.slice(0, 10)}`);
      }),
    );
}
