/**
 * PURE: what an installer needs from its answer file. The simulator reads preseed, kickstart and cloud-init alike, as the
 * shell commands in them would act: by the callback addresses and the token they carry.
 */

export type InstallOrders = {
  /** `<base>/node/<id>`, where `installing` and `bootenv-local` are posted. */
  readonly nodeUrl: string;
  readonly installToken: string;
  readonly hostname: string | undefined;
};

const CALLBACK = /(https?:\/\/[^\s"'\\<>]+\/node\/\d+)\/(?:installing|bootenv-local)\b/;
const TOKEN = [/Authorization:\s*Bearer\s+([A-Za-z0-9_-]{16,})/i, /\/bootenv-local\/([A-Za-z0-9_-]{16,})/, /\btoken["']?\s*[=:]\s*["']?([A-Za-z0-9_-]{16,})/i];
const HOSTNAME = [/^d-i\s+netcfg\/(?:get_)?hostname\s+string\s+(\S+)/m, /--hostname[= ](\S+)/, /^\s*hostname:\s*(\S+)/m];

/** Reads the file; a string says what is missing, in which case a real installer would stand at a question for ever. */
export function readAnswers(text: string): InstallOrders | string {
  const nodeUrl = CALLBACK.exec(text)?.[1];
  if (nodeUrl === undefined) return 'the answers name no callback';
  const installToken = firstMatch(TOKEN, text);
  if (installToken === undefined) return 'the answers carry no install token';
  return { nodeUrl, installToken, hostname: firstMatch(HOSTNAME, text) };
}

function firstMatch(patterns: readonly RegExp[], text: string): string | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
