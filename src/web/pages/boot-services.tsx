import { TransferList } from '../components/boot/transfer-list.js';
import { SiteServers } from '../components/boot/site-servers.js';

/** What machines boot from: the files on their way, and the servers of the site that Prybar drives. */
export function BootServicesPage({ now }: { now: number }) {
  return (
    <div class="page boot-services">
      <TransferList now={now} />
      <SiteServers now={now} />
    </div>
  );
}
