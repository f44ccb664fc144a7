/** What the TFTP server tells of: the steps of a machine's boot, and its counters. */

export type TftpEventKind = 'tftp-start' | 'tftp-progress' | 'tftp-done' | 'tftp-probe' | 'tftp-failed' | 'tftp-missing' | 'tftp-refused';

/** What the boot doctor reads besides: the transfer in numbers. Bytes count what the client has acknowledged. */
export type TftpFacts = {
  file: string;
  size?: number;
  block_bytes?: number;
  window_blocks?: number;
  bytes?: number;
  retransmits?: number;
  /** The client answered at least once: it is there, and small packets reach it. */
  answered?: boolean;
  /** It ended because nothing more came from the client. */
  silent?: boolean;
};

/** One step. `mac` is of the address's lease, null when there is none; `detail` is safe to log, to be escaped where it is shown. */
export type TftpEvent = {
  at: Date;
  mac: string | null;
  address: string;
  kind: TftpEventKind;
  phase: 'tftp' | null;
  file: string;
  detail: string;
  facts: TftpFacts;
};

export type TftpCounters = {
  requests: number;
  transfers: number;
  done: number;
  probes: number;
  /** Clients that fell silent or never answered. */
  timeouts: number;
  /** Ended by the client. */
  aborted: number;
  failed: number;
  /** Files that are not there. */
  notFound: number;
  /** Writes, and modes that are not served. */
  refused: number;
  /** Requests dropped because too many transfers run. */
  dropped: number;
  malformed: number;
  bytes: number;
  retransmits: number;
  active: number;
  /** Threads that carry large files, once there was one. */
  threads: number;
};

export function newCounters(): TftpCounters {
  return {
    requests: 0,
    transfers: 0,
    done: 0,
    probes: 0,
    timeouts: 0,
    aborted: 0,
    failed: 0,
    notFound: 0,
    refused: 0,
    dropped: 0,
    malformed: 0,
    bytes: 0,
    retransmits: 0,
    active: 0,
    threads: 0,
  };
}
