import { useClient, useLoaded, type Client } from '../api.js';
import { AliveDot } from '../components/fleet/node-tile.js';
import { Loading, Message } from '../components/message.js';
import { BootRecords } from '../components/panel/boot-records.js';
import { BootWatch } from '../components/panel/boot-watch.js';
import { NodeRoleLinks } from '../components/panel/noderole-links.js';
import { Facts, Section, SidePanel } from '../components/panel/side-panel.js';
import { TimelineView } from '../components/panel/timeline-view.js';
import { phaseOf, silentSeconds } from '../store/phases.js';
import { agoWords, durationWords, timeOf } from '../store/words.js';
import type { PanelProps } from './noderole-panel.js';

type Node = Awaited<ReturnType<Client['nodes']['get']>>;

/** One machine: where its boot is, the three boot records, its noderoles, its life so far, its hardware. */
export function NodePanel({ id, version, now, onOpen, onClose }: PanelProps) {
  const client = useClient();
  const subject = `node ${id}`;
  const loaded = useLoaded(subject, version, async (signal) => {
    const [node, noderoles, timeline] = await Promise.all([
      client.nodes.get(id, { signal }),
      client.nodeRoles.list({ node: String(id), limit: 200 }, { signal }),
      client.nodes.timeline(id, { limit: 100 }, { signal }),
    ]);
    return { node, noderoles: [...noderoles.items].sort((a, b) => a.cohort - b.cohort || a.id - b.id), timeline: timeline.items };
  });
  const node = loaded.value?.node ?? null;
  const title =
    node === null ? (
      'Node'
    ) : (
      <>
        <AliveDot alive={node.alive} />
        <span class="panel-name">{node.name}</span>
        <span class="muted">{node.observed.address}</span>
      </>
    );
  return (
    <SidePanel subject={subject} title={title} label={node?.name ?? 'Node'} onClose={onClose}>
      {loaded.problem !== null && (
        <Message title="It could not be read" tone="bad">
          <p>{loaded.problem}</p>
        </Message>
      )}
      {loaded.value === null && loaded.problem === null && <Loading what="the node" />}
      {loaded.value !== null && (
        <>
          <BootPhase node={loaded.value.node} now={now} />
          <BootWatch id={id} version={version} />
          <Section title="Boot records">
            <BootRecords {...loaded.value.node} />
          </Section>
          <Section title={`Noderoles (${loaded.value.noderoles.length})`}>
            {loaded.value.noderoles.length === 0 ? (
              <p class="muted">No role is bound to it.</p>
            ) : (
              <NodeRoleLinks
                items={loaded.value.noderoles.map(({ id: noderole, role, state }) => ({ id: noderole, name: role.name, state }))}
                onOpen={(noderole) => onOpen({ kind: 'noderole', id: noderole })}
              />
            )}
          </Section>
          <Section title="What happened">
            {loaded.value.timeline.length === 0 ? <p class="muted">Nothing was heard of it yet.</p> : <TimelineView items={loaded.value.timeline} />}
          </Section>
          <Hardware node={loaded.value.node} now={now} />
        </>
      )}
    </SidePanel>
  );
}

/** Where the boot is, and, when it has been silent for too long, that it is. */
function BootPhase({ node, now }: { node: Node; now: number }) {
  const phase = phaseOf(node.observed.phase);
  const at = timeOf(node.observed.phase_at);
  const silent = silentSeconds(node.observed.phase, at, now);
  return (
    <div class="why">
      <p class="why-answer">
        {phase.word}: {phase.meaning}
        {node.observed.phase_detail === '' ? '' : ` (${node.observed.phase_detail})`}
        <span class="muted"> {at === null ? '' : agoWords(at, now)}</span>
      </p>
      {silent !== null && (
        <p class="unblock is-bad">
          <span class="unblock-word">Silent</span>
          Nothing was heard of it for {durationWords(silent)}; this step should take less than {durationWords(phase.patienceSeconds)}. Look at its console, or
          power cycle it.
        </p>
      )}
    </div>
  );
}

function Hardware({ node, now }: { node: Node; now: number }) {
  return (
    <>
      <Section title="Identity">
        <Facts
          rows={[
            ['deployment', node.deployment.name],
            ['kind', node.kind],
            ['available', node.available ? 'yes' : 'no: nothing is started on it'],
            ['architecture', node.arch],
            ['serial', node.serial],
            ['uuid', node.uuid],
            ['boot id', node.observed.boot_id],
            ['heartbeat', agoWords(timeOf(node.observed.heartbeat_at), now)],
            ['description', node.description],
          ]}
        />
      </Section>
      <Section title="NICs">
        {node.nics.length === 0 ? (
          <p class="muted">None known.</p>
        ) : (
          <Facts
            rows={node.nics.map((nic) => [
              nic.name === '' ? 'nic' : nic.name,
              <code key={nic.mac}>
                {nic.mac}
                {nic.boot ? '  boots' : ''}
              </code>,
            ])}
          />
        )}
      </Section>
      <Section title="BMC">
        {node.bmc === null ? (
          <p class="muted">None: it has to be powered by hand.</p>
        ) : (
          <Facts
            rows={[
              ['power', node.bmc.power],
              ['driver', node.bmc.driver],
              ['address', `${node.bmc.address}:${node.bmc.port}`],
              ['user', node.bmc.username],
              ['last error', node.bmc.last_error === null ? null : <span class="bad-text">{node.bmc.last_error}</span>],
            ]}
          />
        )}
      </Section>
    </>
  );
}
