/**
 * Reads a stream of server-sent events (WHATWG HTML, section 9.2.6) from text chunks cut anywhere. Pure: no I/O.
 * EventSource cannot send an Authorization header, so the client reads the stream of a fetch instead.
 */

/** One dispatched event; `id` is the last id seen on the stream, "" before the first. */
export type SseMessage = { id: string; event: string; data: string };

export type SseParser = {
  /** Messages that the chunk completes. */
  feed(chunk: string): SseMessage[];
  /** Last id the stream has set: where to go on after a reconnect. A message that was not completed does not count. */
  lastId(): string | undefined;
};

/** A parser for one connection. `firstId` is the cursor the connection was opened with. */
export function createSseParser(firstId?: string): SseParser {
  let rest = '';
  let lastId = firstId;
  let pendingId: string | undefined;
  let event = '';
  let data: string[] = [];

  function endOfMessage(): SseMessage | undefined {
    if (pendingId !== undefined) lastId = pendingId;
    const message = data.length === 0 ? undefined : { id: lastId ?? '', event: event || 'message', data: data.join('\n') };
    pendingId = undefined;
    event = '';
    data = [];
    return message;
  }

  function readField(line: string): void {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const text = colon === -1 ? '' : line.slice(colon + 1);
    const value = text.startsWith(' ') ? text.slice(1) : text;
    if (field === 'data') data.push(value);
    else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) pendingId = value;
    // A line that begins with a colon is a comment (field is empty); every other field is ignored by the standard.
  }

  return {
    feed(chunk) {
      const messages: SseMessage[] = [];
      // A CR at the end may be half of a CRLF: it waits for the next chunk.
      const text = rest + chunk;
      const complete = text.endsWith('\r') ? text.slice(0, -1) : text;
      const lines = complete.split(/\r\n|\r|\n/);
      rest = (lines.pop() ?? '') + text.slice(complete.length);
      for (const line of lines) {
        if (line !== '') {
          readField(line);
          continue;
        }
        const message = endOfMessage();
        if (message !== undefined) messages.push(message);
      }
      return messages;
    },
    lastId: () => lastId,
  };
}
