import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSseParser } from '../../../src/client/sse.js';

const read = (...chunks: string[]) => {
  const parser = createSseParser();
  return { messages: chunks.flatMap((chunk) => parser.feed(chunk)), lastId: parser.lastId() };
};

// WHATWG HTML, section 9.2.6 "Interpreting an event stream".
describe('the SSE parser', () => {
  it('reads id, event and data', () => {
    expect(read('id: e.1.0\nevent: node-created\ndata: {"a":1}\n\n').messages).toEqual([{ id: 'e.1.0', event: 'node-created', data: '{"a":1}' }]);
  });

  it('joins several data lines, and takes one space after the colon away', () => {
    expect(read('data: a\ndata:  b\ndata\ndata:c\n\n').messages).toEqual([{ id: '', event: 'message', data: 'a\n b\n\nc' }]);
  });

  it.each(['\n', '\r\n', '\r'])('ends lines at %j', (end) => {
    expect(read(`id: 1${end}data: x${end}${end}data: y${end}${end}x`).messages.map(({ data }) => data)).toEqual(['x', 'y']);
  });

  it('ignores comments and fields it does not know', () => {
    expect(read(':\n\n: hello\nretry: 5\nfoo: bar\ndata: x\n\n').messages).toEqual([{ id: '', event: 'message', data: 'x' }]);
  });

  it('keeps an id without data as the place to go on from, and gives no message', () => {
    expect(read('id: e.7.1\n\n')).toEqual({ messages: [], lastId: 'e.7.1' });
  });

  it('does not count the id of a message that was cut off', () => {
    expect(read('id: 1\ndata: a\n\nid: 2\ndata: b\n').lastId).toBe('1');
  });

  it('does not take over an id with NUL', () => {
    expect(read('id: 1\n\nid: 2\0\ndata: x\n\n').lastId).toBe('1');
  });

  it('begins at the id the connection was opened with', () => {
    expect(createSseParser('e.3.0').lastId()).toBe('e.3.0');
  });

  it('reads the same wherever the stream is cut', () => {
    const text = 'id: 1\r\nevent: a\r\ndata: x\r\ndata: y\r\n\r\n: c\r\n\r\nid: 2\r\ndata: z\r\n\r\n';
    const whole = read(text);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        expect(read(...places.slice(1).map((end, index) => text.slice(places[index], end)))).toEqual(whole);
      }),
    );
  });
});
