import type { Command } from 'commander';
import { CliError, ExitCode } from '../failure.js';
import { readJsonObject } from '../json-argument.js';
import type { Cli } from '../session.js';

type SetOptions = { available?: boolean; description?: string; deployment?: string; hint?: string; dhcpOptions?: string };
type CreateOptions = { mac?: string[]; deployment?: string };

const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** `prybar nodes create` and `prybar nodes set`: what an operator says about a machine. */
export function addNodeChanges(nodes: Command, cli: Cli): void {
  nodes
    .command('create')
    .description('name a machine before it boots; it is recognised by its MACs')
    .argument('<name>', 'its name')
    .option('--mac <mac>', 'a MAC of it; may be repeated', collect)
    .option('--deployment <name>', 'the deployment it belongs to; default: system')
    .action((name: string, options: CreateOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const node = await client().nodes.create({ name, macs: options.mac, deployment: options.deployment }, { signal });
          output.print(node, () => `${node.name} created, id ${node.id}`);
        },
        'prybar nodes list',
      ),
    );
  nodes
    .command('set')
    .description('change what an operator says about a node')
    .argument('<node>', 'id or name')
    .option('--available', 'it may be worked on')
    .option('--no-available', 'set it aside: what runs goes on, nothing new is started')
    .option('--description <text>', 'what to remember about it')
    .option('--deployment <name>', 'the deployment it belongs to')
    .option('--hint <json>', 'what you know of it, such as {"rack":"r1"}; {"stay_on":true} keeps powersave off it. A JSON object, @FILE or -')
    .option('--dhcp-options <json>', 'DHCP options of it in place of those it has, such as {"root-path":"/srv"}. A JSON object, @FILE or -')
    .action((key: string, options: SetOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const { available, description, deployment } = options;
          const hint = options.hint === undefined ? undefined : readJsonObject(options.hint, '--hint', cwd);
          const dhcp_options = options.dhcpOptions === undefined ? undefined : readJsonObject(options.dhcpOptions, '--dhcp-options', cwd);
          const patch = { available, description, deployment, hint, dhcp_options };
          if (Object.values(patch).every((value) => value === undefined))
            throw new CliError({
              exitCode: ExitCode.usage,
              code: 'nothing-to-set',
              detail: 'say what to set: --available, --no-available, --description, --deployment, --hint or --dhcp-options',
            });
          const node = await client().nodes.update(key, patch, { signal });
          output.print(node, () => `${node.name}: ${node.available ? 'available' : 'set aside'}, deployment ${node.deployment.name}`);
        },
        `prybar nodes show ${key}`,
      ),
    );
}
