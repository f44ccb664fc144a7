/**
 * What a machine would be given, for people: every file of a bootenv rendered for one node, with nothing in it that opens a
 * door (attack 26). No token is made or shown, the password's hash is a stand-in, and the caller masks the secrets it knows.
 */
import type { Queryable } from '../db/client.js';
import { NotFoundError } from '../shared/errors.js';
import type { LoadedBootenv } from './registry.js';
import { renderContext, TOKEN_PLACEHOLDER } from './render.js';
import { FORMS, type ScriptForm } from './script-forms.js';

export type Preview = { files: { name: string; text: string }[]; problems: string[]; nodeRoleId: number | null };

/** Has the form of a crypt(3) hash, which templates and installers ask for, and fits no password. */
const HIDDEN_HASH = '$hidden$in.the.preview';

type Row = {
  node: { id: number; name: string; arch: string; uuid: string | null; serial: string | null };
  mac: string | null;
  spec: Record<string, unknown> | null;
  node_role_id: number | null;
  network: { domain: string; dns: string[]; router: string | null } | null;
};

/** Renders; what does not render is in `problems`. Throws NotFoundError when there is no such node. */
export async function previewBootenv(db: Queryable, loaded: LoadedBootenv, wish: { nodeId: number; baseUrl: string }): Promise<Preview> {
  const row = await readNode(db, wish.nodeId, loaded.name);
  const mac = row.mac ?? '00:00:00:00:00:00';
  const spec = hideHash(row.spec ?? {});
  const context = renderContext({
    bootenv: loaded.name,
    params: loaded.definition.params,
    node: row.node,
    mac,
    baseUrl: wish.baseUrl,
    network: row.network ?? { domain: '', dns: [], router: null },
    install: { id: 0, spec },
    bootToken: TOKEN_PLACEHOLDER,
    installToken: TOKEN_PLACEHOLDER,
  });
  const files: Preview['files'] = [];
  const problems: string[] = [];
  const add = (name: string, render: () => string) => {
    try {
      files.push({ name, text: render() });
    } catch (error) {
      problems.push(`${name} does not render: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
    }
  };
  for (const [name, render] of loaded.answers) add(name, () => render(context));
  if (loaded.definition.kernel !== undefined) {
    const subject = { mac, baseUrl: wish.baseUrl, name: row.node.name, reason: 'preview', bootenv: loaded.definition, token: TOKEN_PLACEHOLDER };
    for (const form of Object.keys(FORMS) as ScriptForm[]) add(`script.${form}`, () => FORMS[form].kernel({ ...subject, args: loaded.kernelArgs(context) }));
  }
  return { files, problems, nodeRoleId: row.node_role_id };
}

/** The node with its boot NIC, the network it has a reservation on, and its newest install of this bootenv. */
async function readNode(db: Queryable, nodeId: number, bootenv: string): Promise<Row> {
  const { rows } = await db.query<Row>(
    `SELECT jsonb_build_object('id', n.id, 'name', n.name, 'arch', n.arch, 'uuid', n.uuid, 'serial', n.serial) AS node, c.mac, i.spec, i.node_role_id,
            CASE WHEN w.id IS NULL THEN NULL ELSE jsonb_build_object('domain', w.domain, 'dns', w.dns, 'router', w.router) END AS network
       FROM nodes n
       LEFT JOIN LATERAL (SELECT mac FROM nics WHERE node_id = n.id ORDER BY boot DESC, id LIMIT 1) c ON true
       LEFT JOIN LATERAL (SELECT spec, node_role_id FROM installs WHERE node_id = n.id AND bootenv = $2 ORDER BY id DESC LIMIT 1) i ON true
       LEFT JOIN LATERAL (SELECT network_id FROM reservations WHERE mac = c.mac ORDER BY id LIMIT 1) r ON true
       LEFT JOIN networks w ON w.id = r.network_id
      WHERE n.id = $1`,
    [nodeId, bootenv],
  );
  const row = rows[0];
  if (row === undefined) throw new NotFoundError('node', nodeId);
  return row;
}

function hideHash(spec: Record<string, unknown>): Record<string, unknown> {
  const params = spec['params'];
  if (typeof params !== 'object' || params === null || !('root_password_hash' in params) || params.root_password_hash === null) return spec;
  return { ...spec, params: { ...params, root_password_hash: HIDDEN_HASH } };
}
