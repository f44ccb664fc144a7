import { useState } from 'preact/hooks';
import { useClient, useLoaded, type Client } from '../../api.js';
import { transferFill, transferWords } from '../../store/transfers.js';
import { agoWords, bytesWords, timeOf } from '../../store/words.js';
import { Loading, Message } from '../message.js';

type Transfer = Awaited<ReturnType<Client['boot']['transfers']>>['items'][number];

/** The servers tell of a running transfer once a second. */
const REREAD_MS = 1000;
const SHOWN = 100;

/** Files on their way to machines, by TFTP and HTTP, and those of the last hour. */
export function TransferList({ now }: { now: number }) {
  const client = useClient();
  const [isRunningOnly, setRunningOnly] = useState(false);
  const [search, setSearch] = useState('');
  const filter = { ...(isRunningOnly ? { state: 'running' as const } : {}), ...(search === '' ? {} : { q: search }) };
  const subject = `transfers ${isRunningOnly} ${search}`;
  const loaded = useLoaded(subject, Math.floor(now / REREAD_MS), (signal) => client.boot.transfers({ limit: SHOWN, ...filter }, { signal }));
  const list = loaded.value;
  return (
    <section class="transfers" aria-label="Transfers of boot files">
      <header class="section-head">
        <h2>Transfers</h2>
        <input
          class="search"
          type="search"
          placeholder="Part of a file’s name"
          aria-label="Find transfers by the name of the file"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <label class="check">
          <input type="checkbox" checked={isRunningOnly} onChange={(event) => setRunningOnly(event.currentTarget.checked)} /> running only
        </label>
      </header>
      {loaded.problem !== null && (
        <p class="bad-text" role="alert">
          {loaded.problem} {list === null ? 'It is tried again every second.' : 'What is shown is from before.'}
        </p>
      )}
      {list === null && loaded.problem === null && <Loading what="the transfers" />}
      {list !== null && list.items.length === 0 && <NoTransfers isFiltered={isRunningOnly || search !== ''} />}
      {list !== null && list.items.length > 0 && <TransferTable transfers={list.items} now={now} />}
      {list !== null && list.total > list.items.length && <p class="muted">{list.total - list.items.length} more: prybar boot transfers --all</p>}
    </section>
  );
}

function NoTransfers({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered)
    return (
      <Message title="No transfer passes the filter">
        <p>Take the filter away to see what machines fetched within the last hour.</p>
      </Message>
    );
  return (
    <Message title="No machine fetched a file within the last hour">
      <p>
        A machine that boots from the network appears here. When one should be booting: <code>prybar boot doctor NODE</code>
      </p>
    </Message>
  );
}

const TITLES = ['Machine', 'File', 'By', 'Progress', 'Rate', 'Sent again', 'State', 'Started'];

function TransferTable({ transfers, now }: { transfers: readonly Transfer[]; now: number }) {
  return (
    <table class="plain-table">
      <thead>
        <tr>
          {TITLES.map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {transfers.map((transfer) => (
          <tr key={transfer.id}>
            <td>{transfer.node === null ? (transfer.mac ?? transfer.address) : <a href={`#/boot?node=${transfer.node.id}`}>{transfer.node.name}</a>}</td>
            <td class="file-name">{transfer.file}</td>
            <td>{transfer.protocol}</td>
            <td>
              <Progress transfer={transfer} />
            </td>
            <td>{bytesWords(transfer.bytes_per_second)}/s</td>
            <td>{transfer.retransmits === 0 ? '' : transfer.retransmits}</td>
            <td class={`transfer-${transfer.state}`}>{transferWords(transfer)}</td>
            <td>{agoWords(timeOf(transfer.started_at), now)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Progress({ transfer }: { transfer: Transfer }) {
  const { percent, words } = transferFill(transfer);
  return (
    <span class="transfer-progress">
      <span class="fill-bar" role="meter" aria-label={`${transfer.file}`} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
        <span class={`transfer-bar b-${transfer.state}`} style={{ width: `${percent}%` }} />
      </span>
      <span class="fill-words">{words}</span>
    </span>
  );
}
