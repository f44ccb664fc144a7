/** `/{node_roles,deployment_roles,nodes}/.../attribs`: values, where they came from, and proposing new ones; what a run was given. */
import { z } from 'zod';
import { pathKeys, withoutValueAt, withValueAt } from '../../attribs/names.js';
import { changeNotes } from '../../attribs/notes.js';
import type { Db } from '../../db/client.js';
import { setDeploymentRoleData } from '../../deployments/verbs.js';
import { setNodeRoleData } from '../../noderoles/verbs.js';
import { changeHint } from '../../nodes/store.js';
import type { JsonObject } from '../../shared/json.js';
import * as a from '../attribs-schemas.js';
import { writeAudit } from '../audit.js';
import { nodeId, nodeRoleId } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { listAttribs, ownName, readAttrib, readInputs, readNote, readSubject, type SubjectKind } from '../views/attribs.js';
import { readDeploymentRole } from '../views/deployment-role.js';

const tag = 'attribs';

/** How one kind of container is addressed and written. `change` gets what a person said last. */
type Container = {
  kind: SubjectKind;
  path: string;
  what: string;
  idOf: (db: Db, key: string) => Promise<number>;
  write: (db: Db, id: number, attrib: string, change: (said: JsonObject, keys: string[]) => JsonObject, actor: string) => Promise<void>;
};

const CONTAINERS: Container[] = [
  {
    kind: 'noderole',
    path: '/node_roles',
    what: 'a noderole',
    idOf: nodeRoleId,
    async write(db, id, attrib, change, actor) {
      const name = ownName(await readSubject(db, 'noderole', id), attrib);
      await setNodeRoleData(db, id, (said) => change(said, [name]), actor);
    },
  },
  {
    kind: 'deployment_role',
    path: '/deployment_roles',
    what: 'a role in a deployment',
    idOf: async (_db, key) => s.idSchema.parse(key),
    async write(db, id, attrib, change, actor) {
      const name = ownName(await readSubject(db, 'deployment_role', id), attrib);
      const { deployment, role } = await readDeploymentRole(db, id);
      await setDeploymentRoleData(db, { deploymentId: deployment.id, roleId: role.id, data: (said) => change(said, [name]), actor });
    },
  },
  {
    kind: 'node',
    path: '/nodes',
    what: 'a node, by its path',
    idOf: nodeId,
    async write(db, id, attrib, change, actor) {
      const keys = pathKeys(attrib.replace(/^node\//, ''));
      const changed = await changeHint(db, id, (hint) => change(hint, keys));
      if (changed.length > 0) await writeAudit(db, { actor, action: 'node.change', target: `node/${id}`, detail: { changed, attrib } });
    },
  },
];

export function attribRoutes({ db }: { db: Db }): Route[] {
  return [
    ...CONTAINERS.flatMap((container) => containerRoutes(db, container)),
    defineRoute({
      method: 'get',
      path: '/runs/:id/inputs',
      scope: 'viewer',
      tag,
      summary: 'What a run was given, frozen at its start; with explain, where each value came from',
      params: z.object({ id: s.runIdSchema }),
      query: a.runInputsQuerySchema,
      answer: a.runInputsSchema,
      handle: ({ params, query }) => readInputs(db, params.id, query.explain === true),
    }),
  ];
}

function containerRoutes(db: Db, { kind, path, what, idOf, write }: Container): Route[] {
  const key = kind === 'deployment_role' ? s.idSchema.transform(String) : s.keySchema;
  const one = z.object({ key, attrib: a.attribNameSchema });
  return [
    defineRoute({
      method: 'get',
      path: `${path}/:key/attribs`,
      scope: 'viewer',
      tag,
      summary: `List the attribs of ${what.split(',')[0]}: the values that count, and the data of each bucket`,
      params: z.object({ key }),
      answer: a.attribListSchema,
      handle: async ({ params }) => listAttribs(db, kind, await idOf(db, params.key)),
    }),
    defineRoute({
      method: 'get',
      path: `${path}/:key/attribs/:attrib`,
      scope: 'viewer',
      tag,
      summary: `Read an attrib of ${what}; with explain, every bucket that says something and which one counts`,
      params: one,
      query: a.attribQuerySchema,
      answer: a.attribOneSchema,
      async handle({ params, query }) {
        const id = await idOf(db, params.key);
        return query.bucket === 'notes' ? readNote(db, kind, id, params.attrib) : readAttrib(db, kind, id, params.attrib, query);
      },
    }),
    defineRoute({
      method: 'put',
      path: `${path}/:key/attribs/:attrib`,
      scope: 'operator',
      tag,
      summary:
        kind === 'node'
          ? 'Give a node a hint; it counts at once. With bucket=notes: note something, which counts for nothing'
          : `Propose a value for an attrib of ${what}; it counts from the next commit on. With bucket=notes: note something, which counts for nothing`,
      params: one,
      query: a.attribPutQuerySchema,
      body: a.attribPutSchema,
      answer: a.attribOneSchema,
      async handle({ params, query, body, actor }) {
        const id = await idOf(db, params.key);
        if (query.bucket === 'notes') {
          await readSubject(db, kind, id);
          await changeNotes(db, kind, id, (notes) => withValueAt(notes, pathKeys(params.attrib), body.value), actor.name);
          return readNote(db, kind, id, params.attrib);
        }
        await write(db, id, params.attrib, (said, keys) => withValueAt(said, keys, body.value), actor.name);
        return readAttrib(db, kind, id, params.attrib, {});
      },
    }),
    defineRoute({
      method: 'delete',
      path: `${path}/:key/attribs/:attrib`,
      scope: 'operator',
      tag,
      summary:
        kind === 'node' ? 'Take a hint back; it counts at once' : `Propose that nobody says this attrib of ${what} here; it counts from the next commit on`,
      params: one,
      query: a.attribPutQuerySchema,
      async handle({ params, query, actor }) {
        const id = await idOf(db, params.key);
        if (query.bucket === 'notes') {
          await readNote(db, kind, id, params.attrib);
          return changeNotes(db, kind, id, (notes) => withoutValueAt(notes, pathKeys(params.attrib)), actor.name);
        }
        await readAttrib(db, kind, id, params.attrib, {});
        await write(db, id, params.attrib, withoutValueAt, actor.name);
      },
    }),
  ];
}
