import { useClient, useLoaded, type Client } from '../../api.js';
import { standingOf } from '../../store/site-servers.js';
import { agoWords, countWords, timeOf } from '../../store/words.js';
import { Loading, Message } from '../message.js';

type Server = Awaited<ReturnType<Client['externalServers']['list']>>['items'][number];

const REREAD_MS = 2000;

/** The DHCP and TFTP servers of the site that Prybar writes for: what each serves, and why not. */
export function SiteServers({ now }: { now: number }) {
  const client = useClient();
  const loaded = useLoaded('site-servers', Math.floor(now / REREAD_MS), (signal) => client.externalServers.list({}, { signal }));
  const list = loaded.value;
  return (
    <section class="site-servers" aria-label="Servers of the site">
      <h2>Servers of the site</h2>
      {loaded.problem !== null && (
        <p class="bad-text" role="alert">
          {loaded.problem} {list === null ? 'It is tried again every few seconds.' : 'What is shown is from before.'}
        </p>
      )}
      {list === null && loaded.problem === null && <Loading what="the servers of the site" />}
      {list !== null && list.items.length === 0 && <NoServers />}
      {list !== null && (
        <div class="network-list">
          {list.items.map((server) => (
            <ServerCard key={`${server.host} ${server.name}`} server={server} now={now} />
          ))}
        </div>
      )}
    </section>
  );
}

function ServerCard({ server, now }: { server: Server; now: number }) {
  const { tone, word, why } = standingOf(server);
  const since = timeOf(server.problem_since);
  return (
    <article class={`network site-server s-${tone}`}>
      <header>
        <h3>{server.name}</h3>
        <span class="muted">
          {server.kind} on {server.host}
        </span>
      </header>
      <p class="standing-word">
        {word}
        {since !== null && <span class="muted"> for {agoWords(since, now).replace(' ago', '')}</span>}
      </p>
      {why !== null && <p role={tone === 'bad' ? 'alert' : undefined}>{why}</p>}
      <p class="muted">
        {server.networks.length === 0 ? 'every network' : `networks ${server.networks.join(', ')}`}; {countWords(server.hosts, 'host')};{' '}
        {countWords(server.writes, 'write')}, last change served {agoWords(timeOf(server.served_at), now)}
      </p>
    </article>
  );
}

function NoServers() {
  return (
    <Message title="Prybar drives no server of the site">
      <p>
        Where the site keeps its dnsmasq, ISC dhcpd or pxelinux links, Prybar can write for them: <code>prybar dhcp snippet --for dnsmasq-driven</code> shows
        what to add, docs/external-dhcp.md how it goes on.
      </p>
    </Message>
  );
}
