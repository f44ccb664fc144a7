/** PURE: what zod says about a refused input, as fields and what is allowed in them. */
import { z } from 'zod';
import type { FieldProblem } from '../shared/errors.js';

/** Where the input stood; a body's fields are named without a prefix. */
export type InputPart = 'body' | 'query' | 'path';

/** One entry per wrong field, in the order of the schema. `value` is the input that was refused. */
export function fieldProblems(part: InputPart, schema: z.ZodType, error: z.ZodError, value: unknown): FieldProblem[] {
  return error.issues.flatMap((issue) => problemsOf(part, schema, issue, value));
}

function problemsOf(part: InputPart, schema: z.ZodType, issue: z.core.$ZodIssue, value: unknown): FieldProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const allowed = fieldsAt(schema, issue.path);
    const message = allowed.length === 0 ? 'unknown field; none is allowed here' : `unknown field; allowed: ${allowed.join(', ')}`;
    return issue.keys.map((key) => ({ field: fieldName(part, [...issue.path, key]), message }));
  }
  const field = fieldName(part, issue.path);
  const isMissing = valueAt(value, issue.path) === undefined;
  return [{ field, message: isMissing ? `is required; ${expectation(issue)}` : expectation(issue) }];
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.flatMap((branch) => branch.slice(0, 1).map(expectation));
    return [...new Set(branches)].join(', or ') || issue.message;
  }
  return issue.message.replace(/, received undefined$/, '').replace(/^Invalid (input|option): /, '');
}

function fieldName(part: InputPart, path: readonly PropertyKey[]): string {
  const name = path.map(String).join('.').slice(0, 200);
  if (part === 'body') return name === '' ? 'body' : name;
  return name === '' ? part : `${part}.${name}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined), value);
}

/** Names of the fields that the object at `path` of the schema may have; none when there is no object. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = unwrap(schema);
  for (const key of path) {
    if (at instanceof z.ZodObject) at = unwrap(Reflect.get(at.shape, key) as z.core.$ZodType | undefined);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) return unwrap(schema.unwrap());
  return schema;
}
