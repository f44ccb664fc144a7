import pg from 'pg';
import { assertHistoryIsSound } from '../../support/engine.js';
import type { Installation } from './installation.js';

/** The engine's invariants over this installation's run history: no two runs of one machine overlap, each has one end. */
export async function assertSoundHistory(installation: Installation): Promise<void> {
  const pool = new pg.Pool({ connectionString: installation.databaseUrl(), max: 1 });
  try {
    await assertHistoryIsSound({ db: { pool } });
  } finally {
    await pool.end();
  }
}
