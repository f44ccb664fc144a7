/** What a plan calls things, in words for people: the same on the terminal and on the page. */
import type { Client } from './client.js';

type Plan = Awaited<ReturnType<Client['deployments']['plan']>>;

/** Why a noderole would run. */
export const PLAN_REASONS: Record<Plan['waves'][number][number]['reason'], string> = {
  bound: 'new',
  again: 'committed again',
  data: 'data changed',
  wanted: 'reads changed data',
  members: 'cluster members change',
  installed: 'system installed anew',
  underway: 'on its way already',
};
