/** Checks one part of a request against its schema: the door behind which handlers trust their types. */
import { z } from 'zod';
import { ValidationError } from '../shared/errors.js';
import { fieldProblems, type InputPart } from './field-problems.js';

const nothing = z.strictObject({}).optional();

/** The checked input. Throws ValidationError naming every wrong field. A part without a schema must be empty. */
export function parsePart(part: InputPart, schema: z.ZodType | undefined, value: unknown): unknown {
  const used = schema ?? nothing;
  const parsed = used.safeParse(value);
  if (parsed.success) return schema === undefined ? undefined : parsed.data;
  const problems = fieldProblems(part, used, parsed.error, value);
  const first = problems[0];
  throw new ValidationError(first === undefined ? `the ${part} is not valid` : `${first.field}: ${first.message}`, problems);
}
