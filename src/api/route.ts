/**
 * How an endpoint is declared: once. The declaration checks the request, types the handler, decides who may call and
 * becomes the operation in the OpenAPI document.
 */
import type { Request, Response } from 'express';
import type { z } from 'zod';
import { present } from '../shared/assert.js';
import type { Actor } from './auth.js';
import { API_BODY, NODE_BODY, type BodyLimits } from './json-body.js';
import type { Scope } from './schemas.js';
import { parsePart } from './validate.js';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Who may call: an API token of at least this scope, or a machine whose handler checks its node token itself. */
export type Access = Scope | 'node';

/** The call as it came in, for handlers that need more than their checked input. */
export type Call = {
  /** Null for machines. */
  actor: Actor | null;
  /** Address of the socket; forwarded headers are not believed. */
  address: string;
  /** Aborts when the caller goes away before its answer. */
  signal: AbortSignal;
  req: Request;
  res: Response;
};

/** The unchecked parts of a request. */
export type RawInput = { params: unknown; query: unknown; body: unknown };

type Parsed<Schema extends z.ZodType | undefined> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a handler receives: everything checked. */
export type Input<P extends z.ZodType | undefined, Q extends z.ZodType | undefined, B extends z.ZodType | undefined> = {
  params: Parsed<P>;
  query: Parsed<Q>;
  body: Parsed<B>;
  call: Call;
};

type Words = {
  method: Method;
  /** Express's form: `/nodes/:key`. */
  path: string;
  /** One line for the OpenAPI document. */
  summary: string;
  /** Heading it stands under there. */
  tag: string;
  /** Statuses of refusals beyond those every endpoint has. */
  refusals?: number[];
  /** The body may also be an HTML form, as curl -d and busybox wget send it. */
  acceptsForm?: boolean;
};

/** A declared endpoint, as the router and the OpenAPI document see it. */
export type Route = Words & {
  access: Access;
  params: z.ZodType | undefined;
  query: z.ZodType | undefined;
  body: z.ZodType | undefined;
  limits: BodyLimits;
  /** Status of success. A handler that returns undefined answers 204. */
  status: number;
  answer: z.ZodType | undefined;
  /** Content type of the success; streams write it themselves. */
  contentType: string;
  run: (raw: RawInput, call: Call) => Promise<unknown>;
};

type Declaration<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
  A extends z.ZodType | undefined,
  Extra,
> = Words & {
  params?: P;
  query?: Q;
  body?: B;
  answer?: A;
  status?: 200 | 201 | 202 | 204;
  contentType?: string;
  handle: (input: Input<P, Q, B> & Extra) => Promise<A extends z.ZodType ? z.input<A> | (Extra extends NodeExtra ? undefined : never) : void>;
};

type ApiExtra = { actor: Actor };
type NodeExtra = { actor?: never };

/** Declares an endpoint of `/api/v2`; `scope` is the least a token must have. */
export function defineRoute<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  A extends z.ZodType | undefined = undefined,
>(declaration: Declaration<P, Q, B, A, ApiExtra> & { scope: Scope }): Route {
  const { handle, scope, ...rest } = declaration;
  return complete(rest, scope, API_BODY, (raw, call) =>
    handle({ ...parseInput(declaration, raw), call, actor: present(call.actor, 'actor behind an API route') }),
  );
}

/** Declares an endpoint that machines call; its handler checks the node token. Returning undefined answers 204. */
export function defineNodeRoute<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  A extends z.ZodType | undefined = undefined,
>(declaration: Declaration<P, Q, B, A, NodeExtra>): Route {
  const { handle, ...rest } = declaration;
  return complete(rest, 'node', NODE_BODY, (raw, call) => handle({ ...parseInput(declaration, raw), call }));
}

/** Declares an endpoint whose handler writes the answer itself; `answer` and `contentType` are for the document. */
export function defineStream<Q extends z.ZodType | undefined = undefined>(
  declaration: Words & {
    scope: Scope;
    query?: Q;
    answer?: z.ZodType;
    contentType: string;
    handle: (input: Input<undefined, Q, undefined> & ApiExtra) => Promise<void>;
  },
): Route {
  const { handle, scope, ...rest } = declaration;
  const parts: { params?: undefined; query?: Q; body?: undefined } = rest.query === undefined ? {} : { query: rest.query };
  return complete({ ...rest, status: 200 }, scope, API_BODY, (raw, call) =>
    handle({ ...parseInput(parts, raw), call, actor: present(call.actor, 'actor behind an API route') }),
  );
}

type Schemas = { params?: z.ZodType | undefined; query?: z.ZodType | undefined; body?: z.ZodType | undefined; answer?: z.ZodType | undefined };

function complete(words: Words & Schemas & { status?: number; contentType?: string }, access: Access, limits: BodyLimits, run: Route['run']): Route {
  const status = words.status ?? (words.answer === undefined ? 204 : 200);
  return { contentType: 'application/json', params: undefined, query: undefined, body: undefined, answer: undefined, ...words, access, limits, status, run };
}

function parseInput<P extends z.ZodType | undefined, Q extends z.ZodType | undefined, B extends z.ZodType | undefined>(
  declared: { params?: P; query?: Q; body?: B },
  raw: RawInput,
): Omit<Input<P, Q, B>, 'call'> {
  // The one place where the link between a schema and its output is stated instead of inferred: TypeScript does not
  // resolve a conditional type over a generic that may be undefined.
  return {
    params: parsePart('path', declared.params, raw.params) as Parsed<P>,
    query: parsePart('query', declared.query, raw.query) as Parsed<Q>,
    body: parsePart('body', declared.body, raw.body) as Parsed<B>,
  };
}
