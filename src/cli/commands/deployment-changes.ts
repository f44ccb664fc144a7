import { Argument, type Command } from 'commander';
import { everyItem } from '../../client/client.js';
import { CliError, ExitCode } from '../failure.js';
import { readJsonObject } from '../json-argument.js';
import type { Cli, Session } from '../session.js';

const PAGE = 1000;

/** `prybar deployments set-data`, `pause` and `resume`: changes to a deployment that exists. */
export function addDeploymentChanges(deployments: Command, cli: Cli): void {
  deployments
    .command('set-data')
    .description('replace the proposed data of a role in a deployment; every noderole of the pair takes it at the next commit')
    .argument('<deployment>', 'id or name')
    .argument('<role>', 'a role that is bound in it')
    .argument('<json>', 'a JSON object, @FILE or - for stdin')
    .action((key: string, role: string, json: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const id = await deploymentRoleId(session, key, role);
          const changed = await session.client().deploymentRoles.setData(id, readJsonObject(json, '<json>', session.cwd), { signal: session.signal });
          session.output.print(changed, () => `${role} in ${key}: data proposed; next: prybar deployments commit ${key}`);
        },
        `prybar deployments show ${key}`,
      ),
    );
  for (const paused of [true, false])
    deployments
      .command(paused ? 'pause' : 'resume')
      .description(paused ? 'start nothing more of a deployment; what runs goes on' : 'go on with a deployment that was paused')
      .argument('<deployment>', 'id or name')
      .action((key: string, _options: unknown, command: Command) =>
        cli.run(
          command,
          async ({ client, output, signal }) => {
            const deployment = await client().deployments.update(key, { paused }, { signal });
            output.print(deployment, () => `${deployment.name} is ${paused ? 'paused' : 'going on'}`);
          },
          'prybar deployments list',
        ),
      );
  deployments
    .command('power-on')
    .description('whether work of a deployment switches on nodes that are not alive and have a BMC')
    .argument('<deployment>', 'id or name')
    .addArgument(new Argument('<policy>', 'auto or never').choices(['auto', 'never']))
    .action((key: string, policy: 'auto' | 'never', _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const deployment = await client().deployments.update(key, { power_on: policy }, { signal });
          output.print(
            deployment,
            () => `${deployment.name}: nodes that are not alive are ${policy === 'auto' ? 'switched on when there is work for them' : 'left as they are'}`,
          );
        },
        'prybar deployments list',
      ),
    );
}

async function deploymentRoleId({ client, signal }: Session, deployment: string, role: string): Promise<number> {
  for await (const one of everyItem((after) => client().deploymentRoles.list({ deployment, limit: PAGE, after }, { signal })))
    if (one.role.name === role) return one.id;
  throw new CliError({
    exitCode: ExitCode.usage,
    code: 'role-not-bound',
    detail: `<role>: no role '${role}' is bound in deployment '${deployment}'`,
    next: `prybar deployments bind ${deployment} NODE --role ${role}`,
  });
}
