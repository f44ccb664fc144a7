/** The web page: the files Vite built. Hashed assets are kept for ever, index.html is asked for every time. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import express, { Router, type Request, type RequestHandler, type Response } from 'express';

/**
 * Nothing but our own files runs, and nobody may frame us (attack 41). Styles may stand in elements, because cells of the
 * matrix are placed by style attributes.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every answer; also the API's, whose JSON a browser might be led to open. */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  next();
};

const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Prybar</title></head>
<body style="font: 16px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>Prybar is running</h1>
<p>Its web page has not been built yet. Run <code>npm run build</code> and load this page again.</p>
<p>The API answers at <code>/api/v2</code>; how the server is: <a href="/readyz">/readyz</a>.</p>
</body></html>
`;

/** Serves `directory`. A path that names no file is a page of the application: index.html answers it. */
export function staticRouter(directory: string): Router {
  const router = Router();
  router.use(
    '/assets',
    express.static(path.join(directory, 'assets'), { immutable: true, maxAge: '365d', index: false, redirect: false, dotfiles: 'ignore', fallthrough: true }),
  );
  router.use(
    express.static(directory, {
      index: false,
      redirect: false,
      dotfiles: 'ignore',
      cacheControl: false,
      setHeaders: (res) => res.setHeader('Cache-Control', 'no-cache'),
    }),
  );
  router.use((req, res, next) => {
    if (!isPage(req)) next();
    else sendIndex(res, path.join(directory, 'index.html'));
  });
  return router;
}

/** A browser that goes to an address says text/html; names of nodes have dots, so the path tells nothing. */
function isPage(req: Request): boolean {
  if (req.method !== 'GET' && req.method !== 'HEAD') return false;
  if (req.path === '/') return true;
  return !req.path.startsWith('/assets/') && (req.headers.accept ?? '').includes('text/html');
}

function sendIndex(res: Response, file: string): void {
  res.set('Cache-Control', 'no-cache');
  // Looked for on every request: the page may be built while the server runs.
  if (existsSync(file)) res.sendFile(file, { cacheControl: false });
  else res.status(503).type('html').send(NOT_BUILT);
}
