/** The operator's token, for as long as the tab lives. sessionStorage: never in the address bar, never written to disk by us. */
const KEY = 'prybar.token';

export function readToken(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    // Storage may be forbidden; then the token lives in memory and a reload asks again.
    return null;
  }
}

export function keepToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // See above.
  }
}
