/**
 * Lists as parameters of a statement, for the engine's batches: the driver's own way with arrays looks at every element
 * with two regular expressions, which for thousands of rows a second costs more than the rest of the statement.
 */

/** For int[] and bigint[]. */
export const numberArray = (values: readonly number[]): string => `{${values.join(',')}}`;

/** For text[]; null is NULL. */
export function textArray(values: readonly (string | null)[]): string {
  const elements = values.map((value) => (value === null ? 'NULL' : `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value}"`));
  return `{${elements.join(',')}}`;
}

/** For jsonb, each element the text of one value: see `jsonbArray`. */
export const jsonList = (texts: readonly string[]): string => `[${texts.join(',')}]`;

/** SQL that makes jsonb[] of such a list; null in it is NULL. */
export const jsonbArray = (parameter: `$${number}`): string => `ARRAY(SELECT nullif(value, 'null') FROM jsonb_array_elements(${parameter}::jsonb) AS value)`;
