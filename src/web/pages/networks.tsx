import { useState } from 'preact/hooks';
import { problemWords, useClient, useLoaded, type Client } from '../api.js';
import { ConfirmButton } from '../components/confirm-button.js';
import { FillBar } from '../components/fill-bar.js';
import { Loading, Message } from '../components/message.js';
import { countWords } from '../store/words.js';

type Network = Awaited<ReturnType<Client['networks']['get']>>;
type Lease = Awaited<ReturnType<Client['leases']['list']>>['items'][number];

/** Read again this often: leases come and go without an event. */
const REREAD_MS = 5000;
/** As many as a page of the API; the rest is found by the search. */
const NETWORKS_SHOWN = 200;
const LEASES_SHOWN = 200;

/** The networks, how full their ranges are, and the leases of one of them. */
export function NetworksPage({ now }: { now: number }) {
  const client = useClient();
  const [chosen, setChosen] = useState<string | null>(null);
  const version = Math.floor(now / REREAD_MS);
  const loaded = useLoaded('networks', version, (signal) => client.networks.list({ limit: NETWORKS_SHOWN }, { signal }));
  if (loaded.value === null) {
    if (loaded.problem === null) return <Loading what="the networks" />;
    return (
      <Message title="The networks could not be read" tone="bad">
        <p>{loaded.problem} It is tried again every few seconds.</p>
      </Message>
    );
  }
  const { items, total } = loaded.value;
  if (items.length === 0) return <NoNetworks />;
  return (
    <div class="page networks">
      {loaded.problem !== null && (
        <p class="bad-text" role="alert">
          {loaded.problem} What is shown is from before.
        </p>
      )}
      <div class="network-list">
        {items.map((network) => (
          <NetworkCard
            key={network.id}
            network={network}
            isOpen={chosen === network.name}
            onOpen={() => setChosen(chosen === network.name ? null : network.name)}
          />
        ))}
      </div>
      {total > items.length && <p class="muted">{total - items.length} more: prybar networks list --all</p>}
      {chosen !== null && <Leases key={chosen} network={chosen} version={version} />}
    </div>
  );
}

function NetworkCard({ network, isOpen, onOpen }: { network: Network; isOpen: boolean; onOpen: () => void }) {
  return (
    <article class={`network ${isOpen ? 'is-open' : ''}`}>
      <header>
        <h2>{network.name}</h2>
        <span class="muted">
          {network.category}, {network.subnet}
          {network.vlan !== null && `, VLAN ${network.vlan}`}
        </span>
      </header>
      <p class="muted">
        DHCP {network.dhcp_mode}; {network.routers[0] === undefined ? 'no router' : `router ${network.routers[0].address}`}; names in {network.domain}
      </p>
      {network.ranges.length === 0 && <p class="muted">No ranges: nobody is given an address here.</p>}
      {network.ranges.map((range) => (
        <FillBar key={range.name} range={range} />
      ))}
      <button type="button" class="button" aria-expanded={isOpen} onClick={onOpen}>
        {isOpen ? 'Hide the leases' : `Show ${countWords(network.leases, 'lease')}`}
      </button>
    </article>
  );
}

function Leases({ network, version }: { network: string; version: number }) {
  const client = useClient();
  const [search, setSearch] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const filter = search === '' ? {} : { q: search };
  const loaded = useLoaded(`leases ${network} ${search}`, version, (signal) => client.leases.list({ network, limit: LEASES_SHOWN, ...filter }, { signal }));
  const release = async (address: string): Promise<void> => {
    setProblem(null);
    try {
      await client.leases.release(address);
      loaded.reload();
    } catch (error) {
      setProblem(problemWords(error));
    }
  };
  const words = problem ?? loaded.problem;
  const list = loaded.value;
  return (
    <section class="leases" aria-label={`Leases of ${network}`}>
      <h2>Leases of {network}</h2>
      <input
        class="search"
        type="search"
        placeholder="Address, MAC or name"
        aria-label="Find leases by address, MAC or name"
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      {words !== null && (
        <p class="bad-text" role="alert">
          {words}
        </p>
      )}
      {list === null && loaded.problem === null && <Loading what="the leases" />}
      {list !== null && list.items.length === 0 && (
        <Message title={search === '' ? 'No leases' : 'No lease passes the search'}>
          <p>{search === '' ? 'A machine gets one when it boots by DHCP on this network.' : 'Search for a part of an address, a MAC or a name.'}</p>
        </Message>
      )}
      {list !== null && list.items.length > 0 && <LeaseTable leases={list.items} onRelease={release} />}
      {list !== null && list.total > list.items.length && (
        <p class="muted">{list.total - list.items.length} more: search for one, or prybar leases list --all</p>
      )}
    </section>
  );
}

function LeaseTable({ leases, onRelease }: { leases: readonly Lease[]; onRelease: (address: string) => Promise<void> }) {
  return (
    <table class="lease-table">
      <thead>
        <tr>
          {['Address', 'MAC', 'Whose', 'State', 'Until', ''].map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {leases.map((lease) => (
          <tr key={lease.address}>
            <td>{lease.address}</td>
            <td>{lease.mac}</td>
            <td>{lease.node === null ? (lease.hostname ?? '') : <a href={`#/fleet?node=${lease.node.id}`}>{lease.node.name}</a>}</td>
            <td class={`lease-${lease.state}`}>{lease.state}</td>
            <td>{new Date(lease.expires_at).toLocaleString()}</td>
            <td>
              {(lease.state === 'active' || lease.state === 'declined') && (
                <ConfirmButton
                  label="Release"
                  question={`Give ${lease.address} to another at once? A machine that still uses it learns that when it renews.`}
                  answer="Release it"
                  tone="bad"
                  act={() => onRelease(lease.address)}
                />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function NoNetworks() {
  return (
    <Message title="No networks yet">
      <p>A network says which addresses machines get, and how they are called:</p>
      <p>
        <code>prybar networks create rack 10.0.0.0/24 --router 10.0.0.1 --range dhcp=10.0.0.100-10.0.0.199</code>
      </p>
    </Message>
  );
}
