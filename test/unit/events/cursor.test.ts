import { describe, expect, it } from '@jest/globals';
import { formatCursor, parseCursor } from '../../../src/events/cursor.js';

describe('cursor', () => {
  it('reads what it writes', () => expect(parseCursor(formatCursor({ epoch: 'a1b2', pos: 42, n: 3 }))).toEqual({ epoch: 'a1b2', pos: 42, n: 3 }));
  it.each(['', 'a.1', '1.2.3.4', 'a.-1.0', 'a.1.x', 'a.1e3.0', '..'])('refuses %p', (text) => expect(parseCursor(text)).toBeUndefined());
});
