import { defineConfig } from 'prisma/config';

/** Read by the Prisma CLI only (generate, migrate diff); the server applies migrations itself, see src/db/migrate.ts. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env['DATABASE_URL'] ?? 'postgresql://prybar@127.0.0.1:5432/prybar' },
});
