/** The tree of commands. What each does is in commands/, one file per noun. */
import { Command } from 'commander';
import { addAnneal } from './commands/anneal.js';
import { addBarclamps } from './commands/barclamps.js';
import { addAttribs } from './commands/attribs.js';
import { addAllocations, addLeases } from './commands/addresses.js';
import { addBoot } from './commands/boot.js';
import { addBootenvs } from './commands/bootenvs.js';
import { addCaps } from './commands/caps.js';
import { addDeployments } from './commands/deployments.js';
import { addApply } from './commands/apply.js';
import { addDhcpExternal } from './commands/dhcp-external.js';
import { addDoctor } from './commands/doctor.js';
import { addPlan } from './commands/deployment-plan.js';
import { addDns } from './commands/dns.js';
import { addDhcp } from './commands/dhcp.js';
import { addEvents } from './commands/events.js';
import { addHooks } from './commands/hooks.js';
import { addNetworks } from './commands/networks.js';
import { addNodeRoles } from './commands/noderoles.js';
import { addNodes } from './commands/nodes.js';
import { addRoles } from './commands/roles.js';
import { addRollout } from './commands/rollout.js';
import { addRuns } from './commands/runs.js';
import { addStatus } from './commands/status.js';
import { addTokens } from './commands/tokens.js';
import { addUp } from './commands/up.js';
import { addWebhooks } from './commands/webhooks.js';
import { addWhy } from './commands/why.js';
import { packageVersion } from './package-root.js';
import type { Cli } from './session.js';

const AFTER_HELP = `
Exit codes: 0 done; 1 it failed or ended in ERROR; 2 the command line is wrong; 3 no server answers; 4 the token is missing or refused.

From nothing to a running cluster:
  prybar up
  prybar nodes list
  prybar deployments create demo
  prybar deployments bind demo rack-n001 --role provisioner-os-install
  prybar deployments commit demo --watch
  prybar why rack-n001`;

function settle(command: Command): void {
  // A wrong command line is answered with what is wrong and where to read more, not with the whole help.
  command
    .exitOverride()
    .showHelpAfterError(`next: ${path(command)} --help`)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true });
  for (const child of command.commands) settle(child);
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`;
}

/** Builds the program. Its commands run in `cli`; errors of the command line are thrown as CommanderError. */
export function buildProgram(cli: Cli): Command {
  const { stdout, stderr, packageRoot } = cli.surroundings;
  const program = new Command('prybar')
    .description('Prybar: bind roles to machines, commit, and watch them become ACTIVE')
    .version(packageVersion(packageRoot), '-V, --version', 'print the version')
    .option('--json', 'print exactly the JSON of the API on stdout; errors as a problem document on stderr')
    .option('--url <url>', 'address of the server (also PRYBAR_URL; else the `url` file of the data directory)')
    .option('--token-file <file>', 'file that holds the token (also PRYBAR_TOKEN; else the `admin-token` file of the data directory)')
    .option('--home <dir>', 'data directory of the server (also PRYBAR_HOME; else .prybar)')
    .addHelpText('after', AFTER_HELP)
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    });
  addUp(program, cli);
  addStatus(program, cli);
  addNodes(program, cli);
  addDeployments(program, cli);
  addPlan(program, cli);
  addApply(program, cli);
  addRollout(program, cli);
  addRoles(program, cli);
  addBarclamps(program, cli);
  addNodeRoles(program, cli);
  addRuns(program, cli);
  addAttribs(program, cli);
  addWhy(program, cli);
  addBoot(program, cli);
  addBootenvs(program, cli);
  addDoctor(program, cli);
  addNetworks(program, cli);
  addAllocations(program, cli);
  addLeases(program, cli);
  addDns(program, cli);
  addDhcpExternal(addDhcp(program, cli), cli);
  addCaps(program, cli);
  addAnneal(program, cli);
  addEvents(program, cli);
  addHooks(program, cli);
  addWebhooks(program, cli);
  addTokens(program, cli);
  settle(program);
  return program;
}
