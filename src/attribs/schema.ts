/**
 * Data held against the attribs a role declares: every name known, every value on its JSON Schema (draft 7). A role that
 * declares no attribs takes any data. Compiled once for each schema; what is wrong is told by field, with the fix.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { ValidationError, type FieldProblem } from '../shared/errors.js';
import type { Json, JsonObject } from '../shared/json.js';
import { nearest } from '../shared/nearest.js';
import type { Attrib } from './names.js';

/** Keys of the inputs that Prybar fills itself. */
export const RESERVED_KEYS: readonly string[] = ['node', 'parents'];

// Strict about what the schema says, so that a misspelt keyword is an error and not a check that never happens; not
// strict about style. Formats are words for people: nothing is checked by them.
const ajv = new Ajv({
  strictSchema: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  validateFormats: false,
  allErrors: true,
  addUsedSchema: false,
});

/** Schemas of all roles together are fewer; past it the oldest is compiled anew. */
const COMPILED_MAX = 2000;
const compiled = new Map<string, ValidateFunction>();

function compile(schema: JsonObject): ValidateFunction {
  const key = JSON.stringify(schema);
  const known = compiled.get(key);
  if (known) return known;
  const check = ajv.compile(schema);
  // Not kept in ajv's own cache: that one is never let go of.
  ajv.removeSchema(schema);
  const [oldest] = compiled.keys();
  if (compiled.size >= COMPILED_MAX && oldest !== undefined) compiled.delete(oldest);
  compiled.set(key, check);
  return check;
}

/** Null when it is a JSON Schema that can be used, else why not. */
export function problemOfSchema(schema: JsonObject): string | null {
  try {
    compile(schema);
    return null;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/^(schema is invalid|strict mode): /, '');
  }
}

/** What is wrong with one value; `field` is what the problems' fields begin with. */
export function problemsOfValue(schema: JsonObject | undefined, value: Json, field: string): FieldProblem[] {
  if (schema === undefined) return [];
  const check = compile(schema);
  return check(value) ? [] : (check.errors ?? []).slice(0, 20).map((error) => inWords(error, field));
}

/** What is wrong with data that goes into a container of the role. `field`: where it stands in the request. */
export function problemsOfData(role: { name: string; attribs: readonly Attrib[] }, data: JsonObject, field = 'data'): FieldProblem[] {
  const reserved = RESERVED_KEYS.filter((key) => Object.hasOwn(data, key)).map((key) => ({
    field: `${field}.${key}`,
    message: `'${key}' is a name that Prybar fills itself in the inputs of a run; choose another`,
  }));
  if (role.attribs.length === 0) return reserved;
  const byName = new Map(role.attribs.map((attrib) => [attrib.name, attrib]));
  const names = [...byName.keys()];
  return [
    ...reserved,
    ...Object.entries(data).flatMap(([name, value]): FieldProblem[] => {
      const attrib = byName.get(name);
      if (attrib) return problemsOfValue(attrib.schema, value, `${field}.${name}`);
      if (RESERVED_KEYS.includes(name)) return [];
      const meant = nearest(name, names);
      const fix = meant === undefined ? `it has: ${names.join(', ')}` : `did you mean '${meant}'?`;
      return [{ field: `${field}.${name}`, message: `role '${role.name}' has no attrib '${name}'; ${fix}` }];
    }),
  ];
}

/** What is wrong with what a run left: values of declared attribs; a wall may hold more than those. */
export function problemsOfWall(attribs: readonly Attrib[], wall: JsonObject): FieldProblem[] {
  return attribs.flatMap(({ name, schema }) => (Object.hasOwn(wall, name) ? problemsOfValue(schema, wall[name] ?? null, `wall.${name}`) : []));
}

/** Throws ValidationError with every problem, the first in its message. */
export function refuseProblems(problems: readonly FieldProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new ValidationError(`${first.field}: ${first.message}${more}`, [...problems]);
}

function inWords({ instancePath, message, keyword, params }: ErrorObject, field: string): FieldProblem {
  const at = instancePath === '' ? field : `${field}${instancePath.replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')}`;
  return { field: at, message: wordsOf(keyword, params, message) };
}

function wordsOf(keyword: string, params: ErrorObject['params'], message: string | undefined): string {
  const list = (value: unknown): string => (Array.isArray(value) ? value.map((one) => JSON.stringify(one)).join(', ') : '');
  if (keyword === 'enum') return `must be one of ${list(params.allowedValues)}`;
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;
  if (keyword === 'additionalProperties') return `has a key '${String(params.additionalProperty)}' that the schema does not know; leave it out`;
  if (keyword === 'required') return `lacks the key '${String(params.missingProperty)}'; add it`;
  return message ?? 'is not what the schema says';
}
