import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { formatIpv4 } from '../../shared/ipv4.js';
import { readCapture, type CapturedDatagram } from '../../shared/pcap.js';
import { CliError, ExitCode } from '../failure.js';
import { oneOf, wholeNumber } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { explainedText, reactionText } from '../terminal/dhcp-words.js';
import { addImport } from './dhcp-import.js';

type AskOptions = {
  mac: string;
  type?: 'discover' | 'request' | 'inform';
  arch?: number;
  vendor?: string;
  userClass?: string;
  network?: string;
  relay?: string;
  requested?: string;
  secs?: number;
  maxSize?: number;
  port?: '67' | '4011';
  option?: Record<string, string>;
};

/** `--option 12=686f7374`, as often as wanted. */
function collectOption(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, code, value] = /^(\d{1,3})=((?:[0-9a-fA-F]{2})*)$/.exec(text) ?? [];
  if (code === undefined || value === undefined) throw new InvalidArgumentError('It must be a code and hex digits, as in 12=686f7374.');
  return { ...before, [code]: value };
}

function addAsk(dhcp: Command, cli: Cli): void {
  dhcp
    .command('ask')
    .description('what we would answer to a client, and how that is decided, rule by rule; nothing is promised')
    .requiredOption('--mac <mac>', 'of the client')
    .addOption(new Option('--type <type>', 'message').argParser(oneOf(['discover', 'request', 'inform'] as const)).default('discover'))
    .addOption(new Option('--arch <n>', 'option 93: 0 BIOS, 7 x64 UEFI, 11 arm64 UEFI, 16 x64 UEFI HTTP').argParser(wholeNumber(0, 65_535)))
    .option('--vendor <text>', 'option 60; by default what firmware of the architecture says')
    .option('--user-class <text>', 'option 77, for example iPXE')
    .option('--network <name>', 'heard directly on this network')
    .option('--relay <address>', 'heard by this relay')
    .option('--requested <address>', 'option 50')
    .addOption(new Option('--secs <n>', 'seconds since the client began').argParser(wholeNumber(0, 65_535)))
    .addOption(new Option('--max-size <bytes>', 'option 57').argParser(wholeNumber(300, 65_535)))
    .addOption(new Option('--port <port>', 'asked on 67, or on the boot server port 4011').choices(['67', '4011']))
    .option('--option <code=hex>', 'another option; may be given often', collectOption)
    .action((options: AskOptions, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        const { mac, type, arch, vendor, userClass, network, relay, requested, secs, maxSize, port, option } = options;
        const answer = await client().dhcp.ask(
          {
            ...{ mac, type, arch, vendor, network, relay, requested, secs },
            user_class: userClass,
            maximum_bytes: maxSize,
            ...(port === undefined ? {} : { port: port === '67' ? 67 : 4011 }),
            ...(option === undefined ? {} : { options: option }),
          },
          { signal },
        );
        output.print(answer, () => reactionText(answer, output.look));
      }),
    );
}

const DHCP_PORTS = new Set([67, 68, 4011]);
/** What one question to the API takes. */
const MOST_PACKETS = 500;
const MOST_BYTES = 3_000;
const MOST_TOTAL = 700_000;

/** The DHCP datagrams of a capture that one question takes, and how many there were. */
async function readPackets(file: string): Promise<{ packets: CapturedDatagram[]; total: number }> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new CliError({ exitCode: ExitCode.usage, code: 'no-file', detail: `${file} cannot be read: ${String(cause)}`, next: 'name a pcap or pcapng file' });
  });
  const capture = readCapture(bytes);
  if (!capture.ok)
    throw new CliError({
      exitCode: ExitCode.usage,
      code: 'no-capture',
      detail: `${file}: ${capture.error}`,
      next: 'tcpdump -w boot.pcap -ni <interface> port 67 or port 68 or port 4011',
    });
  const all = capture.value.filter(({ sourcePort, destinationPort }) => DHCP_PORTS.has(sourcePort) || DHCP_PORTS.has(destinationPort));
  let total = 0;
  const packets = all.slice(0, MOST_PACKETS).filter(({ payload }) => payload.length <= MOST_BYTES && (total += payload.length) <= MOST_TOTAL / 2);
  return { packets, total: all.length };
}

function addExplain(dhcp: Command, cli: Cli): void {
  dhcp
    .command('explain')
    .description('explain the DHCP packets of a capture: what each says, what we would answer, and the byte that made a client give up')
    .argument('<file>', 'pcap or pcapng')
    .option('--options', 'every option of every packet')
    .action((file: string, options: { options?: boolean }, command: Command) =>
      cli.run(command, async ({ client, output, signal, cwd }) => {
        const { packets, total } = await readPackets(path.resolve(cwd, file));
        if (packets.length === 0) {
          throw new CliError({
            exitCode: ExitCode.failed,
            code: 'no-dhcp',
            detail: `${file} has no DHCP packet`,
            next: 'capture on the interface of the machines, ports 67, 68 and 4011',
          });
        }
        const answer = await client().dhcp.explain(
          {
            packets: packets.map(({ atMs, source, sourcePort, destination, destinationPort, payload }) => ({
              at: atMs,
              source: formatIpv4(source),
              source_port: sourcePort,
              destination: formatIpv4(destination),
              destination_port: destinationPort,
              bytes: payload.toString('base64'),
            })),
          },
          { signal },
        );
        output.print(answer, () => explainedText(answer, output.look, options.options === true));
        if (packets.length < total) output.hint(`the first ${packets.length} of ${total} packets are explained; cut the capture to see others`);
      }),
    );
}

/** It looks at this machine's ports and interfaces, so it runs here and not in the server. */
async function runCheck(session: Session, options: { interface?: string; seconds: number }): Promise<number> {
  const { packageRoot, cwd, env, output } = session;
  const program = path.join(packageRoot, 'dist', 'src', 'bin', 'dhcp-check.js');
  if (!existsSync(program)) {
    throw new CliError({ exitCode: ExitCode.failed, code: 'not-built', detail: `${program} does not exist: this copy is not built`, next: 'npm run build' });
  }
  const args = [
    '--seconds',
    String(options.seconds),
    ...(options.interface === undefined ? [] : ['--interface', options.interface]),
    ...(output.json ? ['--json'] : []),
  ];
  const home = session.options.home;
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: home === undefined ? env : { ...env, PRYBAR_HOME: path.resolve(cwd, home) },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: session.signal,
  });
  child.stdout.on('data', (text: Buffer) => session.stdout.write(text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? ExitCode.failed;
}

function addCheck(dhcp: Command, cli: Cli): void {
  dhcp
    .command('check')
    .description(
      'before serving a segment: other DHCP servers on it, who holds our ports here, and what is odd about the networks; exit 1 when something must be done',
    )
    .option('--interface <names>', 'interfaces to look at, comma separated; default: those of PRYBAR_INTERFACE, else every one with an IPv4 address')
    .addOption(new Option('--seconds <n>', 'how long to listen for other servers').argParser(wholeNumber(1, 60)).default(5))
    .action((options: { interface?: string; seconds: number }, command: Command) => cli.run(command, (session) => runCheck(session, options)));
}

/** `prybar dhcp`: what the DHCP server would do, and what stands in its way. Returns the noun, for more of it. */
export function addDhcp(program: Command, cli: Cli): Command {
  const dhcp = program.command('dhcp').description('what DHCP would answer and why, captures explained, what stands in its way, and the servers of the site');
  addAsk(dhcp, cli);
  addExplain(dhcp, cli);
  addCheck(dhcp, cli);
  addImport(dhcp, cli);
  return dhcp;
}
