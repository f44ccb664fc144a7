/**
 * PURE: Liquid as boot environments may use it (attacks 23, 24): own properties only, undefined variables and filters are
 * errors, no files, no includes, no unescaped output, bounded in time, memory and size. How a value is escaped follows from
 * the format of the file that it is written to.
 */
import { Liquid, type Template } from 'liquidjs';
import { ESCAPING_FILTERS, writeValue, type TemplateContext } from './filters.js';

const PARSE_LIMIT_CHARACTERS = 200_000;
const RENDER_LIMIT_MS = 500;
const MEMORY_LIMIT_UNITS = 2_000_000;

const OUTPUT_LIMIT_CHARACTERS = 1_000_000;

function createEngine(context: TemplateContext): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    // In-memory and empty: `include`, `render` and `layout` find nothing.
    templates: {},
    outputEscape: (value: unknown) => writeValue(context, value),
    parseLimit: PARSE_LIMIT_CHARACTERS,
    renderLimit: RENDER_LIMIT_MS,
    memoryLimit: MEMORY_LIMIT_UNITS,
  });
  for (const [name, filter] of Object.entries(ESCAPING_FILTERS)) liquid.registerFilter(name, filter);
  // Liquid's own `raw` would pass a value by the escaping.
  liquid.registerFilter('raw', () => {
    throw new Error('the filter raw is not available: use an escaping filter');
  });
  return liquid;
}

const engines = new Map<TemplateContext, Liquid>();

export type CompiledTemplate = (context: Record<string, unknown>) => string;

/**
 * Compiles once, for a file of that format. Throws with line and column when the text is no template; the returned function
 * throws when it does not render.
 */
export function compileTemplate(text: string, format: TemplateContext): CompiledTemplate {
  const liquid = engines.get(format) ?? createEngine(format);
  engines.set(format, liquid);
  const parsed: Template[] = liquid.parse(text);
  return (context) => {
    const rendered = String(liquid.renderSync(parsed, context));
    if (rendered.length > OUTPUT_LIMIT_CHARACTERS) throw new Error(`it renders to more than ${OUTPUT_LIMIT_CHARACTERS} characters`);
    return rendered;
  };
}
