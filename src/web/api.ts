/**
 * The only file through which the interface reaches the server: src/client behind a context, and the hooks that read one
 * object for a side panel. What the big views show comes through live.ts, which uses the same client.
 */
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import { ClientError, createClient, type Client } from '../client/client.js';

export type { Client } from '../client/client.js';

export const ClientContext = createContext<Client | null>(null);

/** Client for the page's own origin and prefix; nothing is sent yet. */
export function connect(token: string): Client {
  const prefix = location.pathname.replace(/\/[^/]*$/, '');
  return createClient({ baseUrl: location.origin + prefix, token });
}

/** The logged-in client. Only below the login page. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error('used outside the session');
  return client;
}

/** A failure in words an operator can act on. */
export function problemWords(error: unknown): string {
  if (!(error instanceof ClientError)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'unreachable') return 'The server does not answer.';
  if (error.status === 403) return 'This token may look, but not do that.';
  return error.errors.length > 0 ? error.errors.map(({ field, message }) => `${field}: ${message}`).join('; ') : error.detail;
}

export function isRefused(error: unknown): boolean {
  return error instanceof ClientError && error.status === 401;
}

export interface Loaded<Value> {
  /** The last good answer, kept while it is read again. */
  readonly value: Value | null;
  readonly problem: string | null;
}

/**
 * Reads something, and again whenever `key` changes; an answer that was overtaken is dropped. With a new `subject` the old
 * value goes at once, with a new `version` it stays until the fresh one is here.
 */
export function useLoaded<Value>(
  subject: string,
  version: string | number,
  read: (signal: AbortSignal) => Promise<Value>,
): Loaded<Value> & { reload: () => void } {
  const [state, setState] = useState<Loaded<Value> & { subject: string }>({ subject, value: null, problem: null });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    read(stop.signal).then(
      (value) => !stop.signal.aborted && setState({ subject, value, problem: null }),
      (error: unknown) =>
        !stop.signal.aborted && setState((old) => ({ subject, value: old.subject === subject ? old.value : null, problem: problemWords(error) })),
    );
    return () => stop.abort();
    // `read` is a closure of this render; what it reads is named by subject and version.
  }, [subject, version, again]);
  const reload = (): void => setAgain((count) => count + 1);
  return state.subject === subject ? { ...state, reload } : { value: null, problem: null, reload };
}

export interface LogView {
  readonly text: string;
  readonly ended: boolean;
  readonly problem: string | null;
}

const LOG_POLL_MS = 1000;
/** A long installer log would make the page heavy; the whole of it is `prybar runs logs`. */
const LOG_KEPT_CHARACTERS = 200_000;

/** Follows the log of a run: asks for what came after the last chunk until the run has ended. */
export function useRunLog(runId: number | null): LogView {
  const client = useClient();
  const [view, setView] = useState<LogView & { runId: number | null }>({ runId, text: '', ended: false, problem: null });
  const timer = useRef(0);
  useEffect(() => {
    if (runId === null) return;
    const stop = new AbortController();
    let after = -1;
    let text = '';
    const poll = async (): Promise<void> => {
      let wait = LOG_POLL_MS;
      try {
        const page = await client.runs.logs(runId, { after }, { signal: stop.signal });
        after = page.items.at(-1)?.seq ?? after;
        text = (text + page.items.map((item) => item.text).join('')).slice(-LOG_KEPT_CHARACTERS);
        setView({ runId, text, ended: page.ended, problem: null });
        if (page.ended) return;
      } catch (error) {
        if (stop.signal.aborted) return;
        setView({ runId, text, ended: false, problem: problemWords(error) });
        wait = 4 * LOG_POLL_MS;
      }
      timer.current = window.setTimeout(() => void poll(), wait);
    };
    void poll();
    return () => {
      stop.abort();
      clearTimeout(timer.current);
    };
  }, [client, runId]);
  return view.runId === runId ? view : { text: '', ended: false, problem: null };
}
