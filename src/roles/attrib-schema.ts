/** JSON Schemas of attribs: whether one is a schema at all, and what a value that is off it does wrong. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Json, JsonObject } from '../shared/json.js';

// Strict about what the schema says, so that a misspelt keyword is an error and not a check that never happens; not
// strict about style. Formats are words for people: nothing is checked by them.
const ajv = new Ajv({ strictSchema: true, strictTypes: false, strictTuples: false, strictRequired: false, validateFormats: false, allErrors: true });

/** Null when it is a valid JSON Schema (draft 7), else why not. */
export function problemOfSchema(schema: JsonObject): string | null {
  try {
    compile(schema);
    return null;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/^(schema is invalid|strict mode): /, '');
  }
}

/** What is wrong with the value, a line each, empty when nothing is. The schema was checked at import. */
export function problemsOfValue(schema: JsonObject, value: Json): string[] {
  const check = compile(schema);
  return check(value) ? [] : (check.errors ?? []).map(inWords);
}

function inWords({ instancePath, message }: ErrorObject): string {
  return instancePath === '' ? (message ?? 'not valid') : `${instancePath.slice(1).replaceAll('/', '.')}: ${message}`;
}

/** Not kept in ajv's own cache: that one is by object and never let go of. */
function compile(schema: JsonObject): ValidateFunction {
  const check = ajv.compile(schema);
  ajv.removeSchema(schema);
  return check;
}
