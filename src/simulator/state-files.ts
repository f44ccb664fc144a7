import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

/** What stays in a machine when its power goes, and across a restart of the rack process. */
const savedMachineSchema = z.object({
  serial: z.string(),
  power: z.enum(['on', 'off']),
  nextBoot: z.enum(['pxe', 'disk']).nullable(),
  /** Address of its last lease; for the operator only, a machine asks anew. */
  address: z.string().nullable(),
  /** The system on its disk, null when there is none. */
  disk: z.object({ installId: z.string(), nodeId: z.number(), diskToken: z.string(), agentUrl: z.string(), bootenv: z.string() }).nullable(),
  /** An installation that goes on: the end of this process is not the end of the machine's power. Losing power ends it. */
  installing: z.object({ nodeUrl: z.string(), installToken: z.string(), bootenv: z.string() }).nullable().default(null),
});
export type SavedMachine = z.infer<typeof savedMachineSchema>;

/** What belongs to the whole rack: the power switch's password and port, kept so that the BMCs need not be registered again. */
const savedRackSchema = z.object({ bmcUsername: z.string(), bmcPassword: z.string(), bmcPort: z.number() });
export type SavedRack = z.infer<typeof savedRackSchema>;

/**
 * The rack's files under `<home>/rack`: rack.json and one file per machine, so that a change of one of a thousand writes one.
 * A file is replaced by rename: a kill leaves the old one or the new one. Mode 0600, for they hold secrets.
 */
export class StateFiles {
  /** Newest content that is not yet on disk, by file name. */
  readonly #pending = new Map<string, string>();
  readonly #writing = new Map<string, Promise<void>>();

  private constructor(private readonly folder: string) {}

  static async open(home: string): Promise<StateFiles> {
    const folder = path.join(home, 'rack');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new StateFiles(folder);
  }

  /** The rack's own state; `fresh` when there was none and a new password was made. */
  async loadRack(): Promise<{ saved: SavedRack; fresh: boolean }> {
    const saved = await this.#read('rack.json', savedRackSchema);
    if (saved !== undefined) return { saved, fresh: false };
    return { saved: { bmcUsername: 'prybar', bmcPassword: randomBytes(18).toString('base64url'), bmcPort: 0 }, fresh: true };
  }

  async saveRack(saved: SavedRack): Promise<void> {
    await this.#write('rack.json', JSON.stringify(saved));
  }

  /** What the machine kept, undefined for one that was never on. */
  async loadMachine(serial: string): Promise<SavedMachine | undefined> {
    return this.#read(`${serial}.json`, savedMachineSchema);
  }

  /** Resolves when this state, or a newer one, is on disk. */
  async saveMachine(saved: SavedMachine): Promise<void> {
    await this.#write(`${saved.serial}.json`, JSON.stringify(saved));
  }

  async #read<Schema extends z.ZodType>(name: string, schema: Schema): Promise<z.infer<Schema> | undefined> {
    let text: string;
    try {
      text = await readFile(path.join(this.folder, name), 'utf8');
    } catch (error) {
      if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const parsed = schema.safeParse(JSON.parse(text));
      return parsed.success ? parsed.data : undefined;
    } catch {
      // Not ours, or of another version: the machine begins with an empty disk, which it survives.
      return undefined;
    }
  }

  /** One writer per file: changes that come while it is written are joined into the next write. */
  async #write(name: string, text: string): Promise<void> {
    this.#pending.set(name, text);
    await this.#writing.get(name)?.catch(() => undefined);
    const newest = this.#pending.get(name);
    if (newest === undefined) return this.#writing.get(name);
    this.#pending.delete(name);
    const writing = this.#replace(name, newest).finally(() => {
      if (this.#writing.get(name) === writing) this.#writing.delete(name);
    });
    this.#writing.set(name, writing);
    return writing;
  }

  async #replace(name: string, text: string): Promise<void> {
    const target = path.join(this.folder, name);
    await writeFile(`${target}.new`, text, { mode: 0o600 });
    await rename(`${target}.new`, target);
  }
}
