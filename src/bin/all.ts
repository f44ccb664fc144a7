/** Everything in one process, for small labs: API, boot services, annealer, runs, hooks. Wiring only. */
import { startAnnealer, startPower } from '../../workers/annealer.js';
import { startHooks } from '../../workers/hooks.js';
import { startRuns } from '../../workers/runs.js';
import { startApi } from './api.js';
import { startBoot } from './boot.js';
import { isMain, runProcess } from './context.js';

if (isMain(import.meta.url)) await runProcess('all', [startHooks, startRuns, startAnnealer, startPower, startBoot, startApi]);
