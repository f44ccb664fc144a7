import { useState } from 'preact/hooks';
import { connect, isRefused, problemWords } from '../api.js';
import { Mark } from '../components/glyph.js';

/** Asks for the token and tries it before it lets anyone in. `reason` says why an old session ended. */
export function LoginPage({ reason, onToken }: { reason: string | null; onToken: (token: string) => void }) {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState(reason);
  const [isTrying, setTrying] = useState(false);
  const tryToken = async (): Promise<void> => {
    // What a shell prints may carry a line's end with it.
    const trimmed = token.trim();
    if (trimmed === '') return setProblem('Paste the token first.');
    setTrying(true);
    setProblem(null);
    try {
      await connect(trimmed).status();
      onToken(trimmed);
    } catch (error) {
      setProblem(isRefused(error) ? 'This token is not known here. Is it from this server, and whole?' : problemWords(error));
    } finally {
      setTrying(false);
    }
  };
  return (
    <main class="login">
      <form
        class="login-card"
        onSubmit={(event) => {
          event.preventDefault();
          void tryToken();
        }}
      >
        <h1>
          <Mark />
          Prybar
        </h1>
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            name="token"
            autoComplete="current-password"
            autoFocus
            spellcheck={false}
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
            aria-describedby="token-hint"
            aria-invalid={problem !== null}
          />
        </label>
        {problem !== null && (
          <p class="notice bad" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="button strong wide" disabled={isTrying}>
          {isTrying ? 'Trying it…' : 'Log in'}
        </button>
        <p class="hint" id="token-hint">
          <code>npm start</code> prints the file that holds the admin token: <code>.prybar/admin-token</code> in Prybar's folder, unless you moved it. It is
          kept for this tab only.
        </p>
      </form>
    </main>
  );
}
