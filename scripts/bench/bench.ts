/** What a bench is: a name, options, and a run that answers rows of the one table. */

/** Ours against a baseline measured in the same run, or a plain number against an aim. */
export type Row = {
  name: string;
  /** With its unit, as it is printed. */
  ours: string;
  baseline: string;
  /** Ours to the baseline, or to another scenario of ours; null where there is nothing to compare with. */
  ratio: number | null;
  aim: string;
  /** Null: told for orientation, no aim. */
  reached: boolean | null;
  /** CPU time of everything of ours (processes, PostgreSQL, Redis) per unit of work, microseconds; null where it says nothing. */
  cpuMicros: number | null;
  note: string;
};

export type Tools = {
  /** Tells the person who waits what is being done. */
  say: (line: string) => void;
  /** Undoes what was started, in reverse order, also after an error or a signal. */
  onEnd: (undo: () => Promise<unknown>) => void;
};

export type Bench = {
  name: string;
  /** One sentence. */
  about: string;
  /** Options by name with their sentence; all are text here, the bench reads them. */
  options: Record<string, string>;
  run(options: Record<string, string | true>, tools: Tools): Promise<{ rows: Row[]; settings: Record<string, string> }>;
};
