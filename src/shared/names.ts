/** Six two-digit hexadecimal numbers with dashes: how a machine without a name is called. */
const MAC_NAME = /(?:[0-9a-f]{2}-){5}[0-9a-f]{2}/;

const natural = new Intl.Collator('en', { numeric: true, sensitivity: 'base' }).compare;

/** The order of names for people: `n2` before `n10`; names made of a MAC in the order of its digits. */
export function compareNames(a: string, b: string): number {
  if (MAC_NAME.test(a) && MAC_NAME.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  return natural(a, b);
}
