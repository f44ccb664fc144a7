import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { templatePath } from '../../../src/api/openapi.js';
import { API, startApi, type ApiFixture } from './api-fixture.js';

const documentSchema = z.object({
  openapi: z.string().startsWith('3.1'),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        operationId: z.string(),
        summary: z.string(),
        security: z.array(z.record(z.string(), z.array(z.string()))),
        responses: z.record(z.string(), z.object({ description: z.string() })),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), z.unknown()), securitySchemes: z.record(z.string(), z.unknown()) }),
});

describe('the OpenAPI document', () => {
  let fixture: ApiFixture;
  let document: z.infer<typeof documentSchema>;
  let text: string;
  beforeAll(async () => {
    fixture = await startApi();
    const answer = await fixture.as('viewer').get(`${API}/openapi.json`).expect(200);
    text = answer.text;
    document = documentSchema.parse(answer.body);
  });
  afterAll(() => fixture.close());

  it('describes every registered route, and nothing else', () => {
    const registered = fixture.api.mounted.flatMap(({ prefix, routes }) => routes.map((route) => `${route.method} ${templatePath(prefix + route.path)}`));
    const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
    expect(described.toSorted()).toEqual(registered.toSorted());
    expect(registered.length).toBeGreaterThan(45);
  });

  it('refers only to what it defines', () => {
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(new Set(references).size).toBeGreaterThan(10);
    for (const name of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('gives every operation a name of its own, its parameters and a problem for each refusal', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    const names = operations.map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
    for (const { operation } of operations) {
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['400', '401']));
      expect(operation.summary.length).toBeGreaterThan(5);
    }
    const raw = z
      .object({
        paths: z.record(z.string(), z.record(z.string(), z.object({ parameters: z.array(z.object({ name: z.string(), in: z.string() })).optional() }))),
      })
      .parse(JSON.parse(text));
    for (const [path, methods] of Object.entries(raw.paths)) {
      const inPath = [...path.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1]);
      for (const operation of Object.values(methods))
        expect((operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name)).toEqual(inPath);
    }
  });
});
