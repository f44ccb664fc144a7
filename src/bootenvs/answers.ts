/**
 * The answer files of an installer. They carry the completion token, so they are given only for the read token of that boot,
 * to the address it was rendered for, while the install is armed or fetched (netboot-rules 18, 19, engine-rules 15). The
 * first fetch of a boot moves armed to fetched and counts; later ones get the same bytes.
 */
import { withTransaction, type Tx } from '../db/client.js';
import { notify, writeEvents } from '../events/outbox.js';
import { recordTokenRefusal } from '../nodes/token-refusal.js';
import { deriveInstallToken, findToken, isTokenText, revokeTokens, storeToken, tokenKey, type TokenRow } from '../nodes/tokens.js';
import { readBootSubject, type BootSubject } from './boot-query.js';
import { advanceInstall, lockInstall, lockNode } from './install-row.js';
import type { OfferDeps } from './offer.js';
import type { CompiledTemplate } from './template.js';
import { renderContext, TOKEN_PLACEHOLDER } from './render.js';

export type AnswersAsk = {
  token: string;
  file: string;
  /** Source address of the request. */
  address: string;
  /** HEAD: the length alone, nothing is counted, no token is made. */
  look: boolean;
};

export type Answers = { body: string; mac: string; bootenv: string };

/** The rendered file; null, with an event that says why, for whoever may not have it. Throws when it does not render. */
export async function fetchAnswers(deps: OfferDeps, ask: AnswersAsk): Promise<Answers | null> {
  const token = await findToken(deps.db, ask.token, 'boot');
  const found = await check(deps, ask, token);
  if (typeof found === 'string') {
    await recordTokenRefusal(deps.db, { nodeId: token?.nodeId ?? 0, source: ask.address, call: 'answers', reason: found });
    return null;
  }
  const { subject, node, install, mac, template, params } = found;
  const installToken = ask.look ? TOKEN_PLACEHOLDER : deriveInstallToken(await tokenKey(deps.db.pool), ask.token, install.id);
  const network = subject.network ?? { domain: '', dns: [], router: null };
  const body = template(
    renderContext({ bootenv: install.bootenv, params, node, mac, baseUrl: deps.baseUrl, network, install, bootToken: ask.token, installToken }),
  );
  if (!ask.look) {
    const refused = await withTransaction(deps.db.pool, (tx) => hand(tx, deps, ask, { nodeId: node.id, installId: install.id, installToken }));
    notify(deps.db.pool);
    if (refused !== null) {
      await recordTokenRefusal(deps.db, { nodeId: node.id, source: ask.address, call: 'answers', reason: refused });
      return null;
    }
  }
  return { body, mac, bootenv: install.bootenv };
}

type Found = {
  subject: BootSubject;
  node: NonNullable<BootSubject['node']>;
  install: NonNullable<BootSubject['install']>;
  mac: string;
  template: CompiledTemplate;
  params: Record<string, unknown>;
};

/** Whether this asker may have this file; a string says why not. */
async function check(deps: OfferDeps, ask: AnswersAsk, token: TokenRow | null): Promise<Found | string> {
  if (token === null || !isTokenText(ask.token)) return 'unknown, expired or revoked token';
  if (token.mac === null || token.installId === null || token.nodeId === null) return 'the boot is not one of an installer';
  if (token.address !== ask.address) return `the token was rendered for ${token.address ?? 'no address'}`;
  const subject = await readBootSubject(deps.db.pool, token.mac, ask.address);
  const { node, install } = subject;
  if (subject.network === null) return `the address is no longer leased to ${token.mac}`;
  if (node === null || node.id !== token.nodeId || install === null || install.id !== token.installId) return 'the install is not the latest of the node';
  const bootenv = deps.registry().get(install.bootenv);
  const template = bootenv?.answers.get(ask.file);
  if (bootenv === undefined || template === undefined) return `bootenv ${install.bootenv} has no such file`;
  return { subject, node, install, mac: token.mac, template, params: bootenv.definition.params };
}

/** Counts the boot, stores its completion token and drops those of earlier boots. Returns why not, or null. */
async function hand(tx: Tx, deps: OfferDeps, ask: AnswersAsk, to: { nodeId: number; installId: number; installToken: string }): Promise<string | null> {
  await lockNode(tx, to.nodeId);
  const install = await lockInstall(tx, to.installId);
  const token = await findToken(tx, ask.token, 'boot');
  if (install === undefined || token === null) return 'revoked meanwhile';
  if (install.status !== 'armed' && install.status !== 'fetched') return `install ${install.id} is ${install.status}`;
  await revokeTokens(tx, { installId: install.id, kinds: ['install'], exceptPlain: to.installToken });
  await storeToken(tx, to.installToken, {
    kind: 'install',
    nodeId: to.nodeId,
    installId: install.id,
    mac: token.mac,
    bootenv: install.bootenv,
    ttlSeconds: deps.installTokenSeconds,
  });
  if (token.usedAt !== null) return null;
  await tx.query('UPDATE node_tokens SET used_at = clock_timestamp(), used_from = $2 WHERE id = $1', [token.id, ask.address]);
  await tx.query('UPDATE installs SET fetches = fetches + 1 WHERE id = $1', [install.id]);
  if (install.status === 'armed') {
    const event = await advanceInstall(tx, install, { status: 'fetched', detail: { address: ask.address } });
    await writeEvents(tx, [event]);
  }
  return null;
}
