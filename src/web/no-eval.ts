/**
 * The client checks answers with zod, which would compile its checks with `new Function`: the page's CSP refuses that. Must be
 * imported before anything that builds a schema, because zod decides when a schema is built.
 */
import { config } from 'zod';

config({ jitless: true });
