import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * zod can turn a schema into JSON Schema, which makes the API's OpenAPI document and is never done in a browser; but every
 * schema refers to it, so no bundler can leave it out. It goes in as empty functions: 15 % of what the client weighs.
 */
function withoutJsonSchema(): Plugin {
  const asked = /[\\/]zod[\\/]v4[\\/]core[\\/](to-json-schema|json-schema-processors)\.js$/;
  return {
    name: 'without-json-schema',
    enforce: 'pre',
    transform(code, id) {
      if (!asked.test(id)) return null;
      const names = [...code.matchAll(/^export (?:const|function|class) (\w+)/gm)].map((match) => match[1]);
      return { code: `const none = () => () => undefined;\n${names.map((name) => `export const ${name} = none;`).join('\n')}`, map: null };
    },
  };
}

/**
 * Builds the web interface to dist/web. Nothing is inlined and no script or style attribute is written, so that the page
 * lives under `default-src 'self'`; paths are relative, so that it may be served below any prefix.
 */
export default defineConfig({
  root: here('.'),
  base: './',
  plugins: [withoutJsonSchema()],
  build: {
    outDir: here('../../dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    // The client and zod change seldom: a browser keeps them when only the pages have changed. no-eval must run before the schemas.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'client', test: /node_modules[\\/]zod|src[\\/](client|api)[\\/]|no-eval/ }] } } },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: 'http://127.0.0.1:8190' } },
  },
});
