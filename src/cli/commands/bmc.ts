import { readFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { Node } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { wholeNumber } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields } from '../table.js';
import type { Look } from '../terminal/look.js';

type BmcOptions = {
  driver?: 'ipmi' | 'redfish' | 'simulated';
  address?: string;
  mac?: string;
  port?: number;
  username?: string;
  passwordFile?: string;
};

/** IANA: asf-rmcp 623, https 443. The simulator has no registered port. */
const DEFAULT_PORTS: Record<string, number> = { ipmi: 623, redfish: 443 };

function bmcText(node: Node, look: Look): string {
  const { bmc } = node;
  if (bmc === null) return `${node.name} has no BMC; next: prybar nodes bmc ${node.name} --driver ipmi --address ADDRESS --username NAME --password-file FILE`;
  return renderFields(
    [
      ['node', node.name],
      ['driver', bmc.driver],
      ['address', `${bmc.address}:${bmc.port}`],
      ['username', bmc.username],
      ['power', bmc.power],
      ['last error', bmc.last_error ?? '-'],
    ],
    look,
  );
}

/** The password from its file (`-` is stdin) or from PRYBAR_BMC_PASSWORD; one newline at its end is not part of it. */
function readPassword(options: BmcOptions, session: Session): string {
  const { passwordFile } = options;
  if (passwordFile === undefined) return session.env.PRYBAR_BMC_PASSWORD ?? '';
  try {
    return readFileSync(passwordFile === '-' ? 0 : passwordFile, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new CliError(
      {
        exitCode: ExitCode.usage,
        code: 'file-not-readable',
        detail: `--password-file: ${passwordFile} cannot be read`,
      },
      error,
    );
  }
}

/** `prybar nodes bmc`: shows a node's BMC, or sets it. The password never stands on the command line. */
export function addBmc(nodes: Command, cli: Cli): void {
  nodes
    .command('bmc')
    .description('show the BMC of a node, or set it when options are given')
    .argument('<node>', 'id or name')
    .addOption(new Option('--driver <driver>', 'how to speak to it').choices(['ipmi', 'redfish', 'simulated']))
    .option('--address <address>', 'host name or address of the BMC; default: one of the network of BMCs is given to it')
    .option('--mac <mac>', 'MAC of the BMC, for the address that it is given')
    .addOption(new Option('--port <n>', 'default 623 for ipmi, 443 for redfish').argParser(wholeNumber(1, 65_535)))
    .option('--username <name>', 'user on the BMC')
    .option('--password-file <file>', 'file that holds the password, - for stdin; or set PRYBAR_BMC_PASSWORD')
    .action((key: string, options: BmcOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const { driver, address, mac, username } = options;
          if (
            driver === undefined &&
            address === undefined &&
            mac === undefined &&
            options.port === undefined &&
            username === undefined &&
            options.passwordFile === undefined
          ) {
            output.print(await client().nodes.get(key, { signal }), (node) => bmcText(node, output.look));
            return;
          }
          const port = options.port ?? DEFAULT_PORTS[driver ?? ''];
          const missing = driver === undefined ? '--driver ipmi|redfish|simulated' : '--port N';
          if (driver === undefined || port === undefined) {
            throw new CliError({
              exitCode: ExitCode.usage,
              code: 'usage',
              detail: `to set a BMC, ${missing} is needed too`,
              next: 'prybar nodes bmc --help',
            });
          }
          const body = {
            driver,
            port,
            ...(address === undefined ? {} : { address }),
            ...(mac === undefined ? {} : { mac }),
            ...(username === undefined ? {} : { username }),
            password: readPassword(options, session),
          };
          output.print(await client().nodes.setBmc(key, body, { signal }), (node) => bmcText(node, output.look));
        },
        'prybar nodes list',
      ),
    );
}
