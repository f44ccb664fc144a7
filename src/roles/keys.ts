/**
 * The keys of a barclamp file, in one place: a key may be written with dashes (`wants-attribs`, as the documents do) or
 * with underscores (`wants_attribs`, as JSON from the API does); one that is not known is refused with the nearest that is.
 */
import { z } from 'zod';
import { nearest } from '../shared/nearest.js';

/** An object of these keys, either spelling. Only these keys: what is inside a free value (a script, a schema) stays as it is. */
export function keyedObject<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.preprocess((value, ctx) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const result: Record<string, unknown> = {};
    for (const [written, content] of Object.entries(value)) {
      const key = written.replaceAll('-', '_');
      if (!known.includes(key)) ctx.addIssue({ code: 'custom', path: [written], message: unknownKey(key, known) });
      else if (Object.hasOwn(result, key)) ctx.addIssue({ code: 'custom', path: [written], message: `is there twice, as ${dashed(key)} and as ${key}` });
      else result[key] = content;
    }
    return result;
  }, z.object(shape));
}

/** A key as documents write it. */
export function dashed(key: string): string {
  return key.replaceAll('_', '-');
}

function unknownKey(key: string, known: string[]): string {
  const near = nearest(key, known);
  return near === undefined
    ? `is not a key that is known; known are: ${known.map(dashed).join(', ')}`
    : `is not a key that is known; the nearest is ${dashed(near)}`;
}
