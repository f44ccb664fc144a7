/** The door for data of a role, whichever container it goes into. PURE. */
import type { JsonObject } from '../shared/json.js';
import type { Attrib } from './names.js';
import { problemsOfData, refuseProblems } from './schema.js';
import { unmaskData } from './secrets.js';

/**
 * The data as it is to be stored: a secret that came back as `***` stays what it was in `kept`. Throws ValidationError
 * with every field that is wrong; `field` is what the fields begin with.
 */
export function acceptData(role: { name: string; attribs: readonly Attrib[] }, data: JsonObject, kept: JsonObject, field = 'data'): JsonObject {
  const whole = unmaskData(role.attribs, data, kept);
  refuseProblems(problemsOfData(role, whole, field));
  return whole;
}
