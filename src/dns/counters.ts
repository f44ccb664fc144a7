/** What the server has counted since its start; shown by the status page and `/metrics`, decides nothing. */
export type DnsCounters = {
  queries: number;
  tcpQueries: number;
  replies: number;
  nxdomain: number;
  refused: number;
  malformed: number;
  truncated: number;
  rateLimited: number;
  forwarded: number;
  forwardFailed: number;
  transfers: number;
  transfersRefused: number;
  notifies: number;
  sendErrors: number;
};

export function newDnsCounters(): DnsCounters {
  return {
    queries: 0,
    tcpQueries: 0,
    replies: 0,
    nxdomain: 0,
    refused: 0,
    malformed: 0,
    truncated: 0,
    rateLimited: 0,
    forwarded: 0,
    forwardFailed: 0,
    transfers: 0,
    transfersRefused: 0,
    notifies: 0,
    sendErrors: 0,
  };
}
