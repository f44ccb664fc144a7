/**
 * How an answer came about, rule by rule: what `prybar dhcp ask` and `dhcp explain` print. The functions that decide take a
 * Trace and write into it when there is one; without one nothing is built (`trace?.push` does not evaluate its argument).
 */

/** One rule that had a part in the answer. */
export type TraceStep = {
  /** A few words in kebab-case; stable, for machines to compare. */
  readonly rule: TraceRule;
  /** RFC and section, or the document the rule is from. */
  readonly source: string;
  /** What the rule said, for people. Text of the client's is printable ASCII. */
  readonly value: string;
};

/** Steps in the order they were taken. */
export type Trace = TraceStep[];

/** Every rule that can appear in a trace. */
export type TraceRule =
  | 'asker'
  | 'network'
  | 'relay'
  | 'mode'
  | 'identity'
  | 'wait'
  | 'message'
  | 'address'
  | 'quota'
  | 'decision'
  | 'quirk'
  | 'boot-file'
  | 'option'
  | 'name-server'
  | 'size'
  | 'destination';
