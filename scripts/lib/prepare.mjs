/**
 * What has to exist before anything of Prybar runs: npm packages, the Prisma client, dist/. Each part looks first and does
 * nothing when it is there and matches its sources, so every command may begin with it. Only Node's own modules here.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { withLock } from './lock.mjs';
import { fingerprint, inProject, isStamped, listFiles, projectRoot } from './project.mjs';
import { run, step } from './step.mjs';

/** What npm installed, as npm itself recorded it at the end of its work, so an interrupted install does not count. */
function areModulesInstalled() {
  const record = inProject('node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const wanted = Object.entries(JSON.parse(readFileSync(inProject('package-lock.json'), 'utf8')).packages);
  return wanted.every(([path, entry]) => path === '' || entry.optional || entry.peer || entry.cpu || installed[path]?.version === entry.version);
}

async function ensureModules() {
  if (areModulesInstalled()) return;
  await step('installing npm packages', (note) =>
    run('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], {
      cwd: projectRoot,
      onLine: (line) => line.startsWith('npm warn') || note(line),
    }),
  );
}

async function ensurePrismaClient() {
  const stamp = inProject('src/generated/prisma/.stamp');
  const wanted = fingerprint(['prisma/schema.prisma', 'package-lock.json']);
  if (isStamped(stamp, wanted)) return;
  // The CLI would download its native engine first; ours answers in its place.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: inProject('scripts/schema-engine.mjs'), CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' };
  await step('generating the Prisma client', (note) =>
    run(process.execPath, [inProject('node_modules/prisma/build/index.js'), 'generate'], { cwd: projectRoot, env, onLine: note }),
  );
  writeFileSync(stamp, wanted);
}

/** @param {string} path */
const isServerSource = (path) => !path.startsWith('src/web/') && !path.startsWith('src/generated');

/** Templates, YAML and scripts that the compiled code reads at their place beside it. @param {string[]} sources */
function copyAssets(sources) {
  for (const file of sources) {
    if (!/^(src|jigs|workers)\//.test(file) || /\.tsx?$/.test(file)) continue;
    mkdirSync(dirname(inProject('dist', file)), { recursive: true });
    copyFileSync(inProject(file), inProject('dist', file));
  }
}

/** The compiler trusts its record even when somebody has removed what it tells of. @param {string} path */
const isNotEmitted = (path) => /^(src|jigs|workers)\/.*(?<!\.d)\.ts$/.test(path) && !existsSync(inProject('dist', path.replace(/\.ts$/, '.js')));

/** Removes what an earlier build left of sources that are gone: a deleted jig must not be loaded from dist. @param {string[]} sources */
function removeLeftovers(sources) {
  const known = new Set([...sources, ...listFiles(['src/generated'])].map((file) => file.replace(/\.tsx?$/, '')));
  for (const file of listFiles(['dist/src', 'dist/jigs', 'dist/workers'])) {
    const source = file.slice('dist/'.length);
    if (!known.has(source) && !known.has(source.replace(/\.js(\.map)?$/, ''))) rmSync(inProject(file));
  }
}

async function ensureServerBuild() {
  const sources = listFiles(['src', 'jigs', 'workers', 'tsconfig.json', 'package-lock.json', 'prisma/schema.prisma'], isServerSource);
  const stamp = inProject('dist/.server-stamp');
  const wanted = fingerprint(sources);
  if (isStamped(stamp, wanted)) return;
  await step('compiling', async () => {
    // The compiler trusts its record and would not emit again what somebody removed from dist.
    if (!existsSync(inProject('dist/src'))) rmSync(inProject('dist/.tsbuildinfo'), { force: true });
    const compile = () =>
      run(process.execPath, [inProject('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json', '--pretty', 'false'], { cwd: projectRoot });
    await compile();
    if (sources.some(isNotEmitted)) {
      rmSync(inProject('dist/.tsbuildinfo'), { force: true });
      await compile();
    }
    removeLeftovers(sources);
    copyAssets(sources);
  });
  writeFileSync(stamp, wanted);
}

async function ensureWebBuild() {
  const config = inProject('src/web/vite.config.ts');
  if (!existsSync(config)) return;
  const stamp = inProject('dist/.web-stamp');
  const wanted = fingerprint(listFiles(['src/web', 'src/client', 'src/api', 'src/shared', 'package-lock.json']));
  if (isStamped(stamp, wanted) && existsSync(inProject('dist/web/index.html'))) return;
  await step('building the web page', (note) =>
    run(process.execPath, [inProject('node_modules/vite/bin/vite.js'), 'build', '--config', config], { cwd: projectRoot, onLine: note }),
  );
  mkdirSync(inProject('dist'), { recursive: true });
  writeFileSync(stamp, wanted);
}

/**
 * Makes everything up to `until` exist: packages, then the generated client, then dist/. One process at a time per project.
 * @param {{ until?: 'modules' | 'generate' | 'build' }} [options]
 */
export async function prepare({ until = 'build' } = {}) {
  await withLock(`prepare ${projectRoot}`, async () => {
    await ensureModules();
    if (until === 'modules') return;
    await ensurePrismaClient();
    if (until === 'generate') return;
    await ensureServerBuild();
    await ensureWebBuild();
  });
}
