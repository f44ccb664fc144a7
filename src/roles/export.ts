/** A barclamp back as its file: keys with dashes, defaults left out. Reading it again gives the same definitions. PURE. */
import { stringify } from 'yaml';
import type { Json } from '../shared/json.js';
import { dashed } from './keys.js';
import { roleFields, type BarclampDefinition, type RoleDefinition } from './role.js';

type Document = { [key: string]: Json };

/** The content of the file. */
export function barclampDocument({ barclamp, attribs, roles }: BarclampDefinition): Document {
  return { barclamp: withoutEmpty(barclamp), ...(attribs.length === 0 ? {} : { attribs: attribs.map(withoutEmpty) }), roles: roles.map(roleDocument) };
}

/** The file. */
export function barclampYaml(definition: BarclampDefinition): string {
  return stringify(barclampDocument(definition), { lineWidth: 0 });
}

function roleDocument(role: RoleDefinition): Document {
  const defaults = new Map<string, unknown>(Object.entries(roleFields.parse({ name: role.name, jig: role.jig })));
  const document: Document = {};
  for (const [key, value] of Object.entries(shortened(role))) {
    if (value === undefined || (key !== 'name' && key !== 'jig' && JSON.stringify(value) === JSON.stringify(defaults.get(key)))) continue;
    document[dashed(key)] = value;
  }
  return document;
}

/** The forms that people write: a name alone where nothing else is said. */
function shortened(role: RoleDefinition): { [key: string]: Json | undefined } {
  return {
    ...role,
    precedes: role.precedes.map((next) => (next.scope === 'node' ? next.role : { ...next })),
    wants_attribs: role.wants_attribs.map((wanted) => ('at' in wanted && wanted.at !== undefined ? { name: wanted.name, at: wanted.at } : wanted.name)),
    attribs: role.attribs.map(withoutEmpty),
  };
}

function withoutEmpty(object: Readonly<Record<string, Json | undefined>>): Document {
  const entries = Object.entries(object).filter((entry): entry is [string, Json] => entry[1] !== undefined && entry[1] !== '');
  return Object.fromEntries(entries);
}
