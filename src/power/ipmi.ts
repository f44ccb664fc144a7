/**
 * IPMI 2.0 over LAN by `ipmitool`: an argument array, never a shell; the password through the environment (`-E`), because
 * arguments are readable by every user of the machine. RMCP+ cipher suite 17 first (SHA-256), suite 3 where a BMC knows no
 * better (IPMI 2.0 table 22-20); what worked is remembered.
 */
import { execFile } from 'node:child_process';
import { bmcRefused, bmcUnreachable, type BmcAddress, type MachineRef, type PowerDriver, type PowerTiming } from './power.js';
import { ValidationError } from '../shared/errors.js';

export const IPMI_TIMING: PowerTiming = { spacingMs: 2_000, verifyEveryMs: 2_000, verifyTimeoutMs: 60_000 };

/** One command: `-R 1 -N 1` gives up after about 2 s for each packet, so this covers session set-up and closing. */
const COMMAND_TIMEOUT_MS = 20_000;
/** Nothing of our environment reaches the program but where programs are. */
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const CIPHER_SUITES = [17, 3] as const;
type CipherSuite = (typeof CIPHER_SUITES)[number];

/** What a BMC accepted last, by address and port; lost at a restart, which costs one failed try. */
const rememberedSuite = new Map<string, CipherSuite>();

export type RunProgram = (file: string, args: string[], options: { env: Record<string, string>; signal: AbortSignal; timeout: number }) => Promise<string>;

/** Throws ValidationError for an address or user that ipmitool would take for an option. */
export function ipmiDriver(bmc: BmcAddress, machine: Pick<MachineRef, 'isUefi'>, run: RunProgram = runProgram): PowerDriver {
  for (const [field, value] of Object.entries({ address: bmc.address, username: bmc.username })) {
    if (value.startsWith('-')) throw new ValidationError(`the BMC's ${field} begins with a dash`, [{ field, message: 'may not begin with -' }]);
  }
  const key = `${bmc.address}:${bmc.port}`;

  async function ipmitool(command: string[], signal: AbortSignal): Promise<string> {
    const known = rememberedSuite.get(key);
    const suites = known === undefined ? CIPHER_SUITES : [known, ...CIPHER_SUITES.filter((suite) => suite !== known)];
    let failure: unknown;
    for (const suite of suites) {
      try {
        const output = await once(suite, command, signal);
        rememberedSuite.set(key, suite);
        return output;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        if (!isSuiteProblem(error)) break;
      }
    }
    throw explain(bmc, failure);
  }

  function once(suite: CipherSuite, command: string[], signal: AbortSignal): Promise<string> {
    const args = ['-I', 'lanplus', '-H', bmc.address, '-p', String(bmc.port), '-U', bmc.username, '-E', '-C', String(suite), '-R', '1', '-N', '1', ...command];
    const env = { PATH: PROGRAM_PATH, IPMI_PASSWORD: bmc.password.reveal() };
    return run('ipmitool', args, { env, signal, timeout: COMMAND_TIMEOUT_MS });
  }

  return {
    async status(signal) {
      const output = await ipmitool(['chassis', 'power', 'status'], signal);
      const state = /Chassis Power is (on|off)/i.exec(output)?.[1]?.toLowerCase();
      return state === 'on' || state === 'off' ? state : 'unknown';
    },
    on: async (signal) => void (await ipmitool(['chassis', 'power', 'on'], signal)),
    off: async (signal) => void (await ipmitool(['chassis', 'power', 'off'], signal)),
    cycle: async (signal) => void (await ipmitool(['chassis', 'power', 'cycle'], signal)),
    // Without efiboot a UEFI machine takes the override for a legacy one, and ignores it or boots in BIOS mode.
    setNextBoot: async (target, signal) => void (await ipmitool(['chassis', 'bootdev', target, ...(machine.isUefi ? ['options=efiboot'] : [])], signal)),
  };
}

type ExecError = Error & { code?: string | number | null; stderr?: string };

/** The BMC does not know the suite, or cannot agree on one: another may work. A wrong password looks the same to some. */
function isSuiteProblem(error: unknown): boolean {
  return error instanceof Error && /cipher suite|no matching|illegal parameter|RAKP|invalid authentication algorithm|Unable to establish/i.test(textOf(error));
}

function explain(bmc: BmcAddress, error: unknown): Error {
  if (!(error instanceof Error)) return bmcUnreachable(bmc, 'ipmitool failed');
  const failed: ExecError = error;
  if (failed.code === 'ENOENT') return bmcUnreachable(bmc, 'ipmitool is not installed (apt install ipmitool)');
  const text = textOf(error);
  if (/RAKP 2 HMAC is invalid|unauthorized name|Invalid user name|password/i.test(text)) return bmcRefused(bmc, text);
  return bmcUnreachable(bmc, text, error);
}

/** What ipmitool said, without the command line that Node puts in front. */
function textOf(error: ExecError): string {
  return (error.stderr ?? '').trim().split('\n').at(-1) || error.message.split('\n')[0] || 'ipmitool failed';
}

function runProgram(file: string, args: string[], options: { env: Record<string, string>; signal: AbortSignal; timeout: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { ...options, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(Object.assign(error, { stderr }));
    });
  });
}

/** Runs programs, each only after `beforeSend` had nothing against it: one driver call may send several commands. */
export function programAfter(beforeSend: (() => void) | undefined): RunProgram {
  return async (file, args, options) => {
    beforeSend?.();
    return runProgram(file, args, options);
  };
}
