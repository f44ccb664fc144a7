/**
 * Router advertisements that end a wait: iPXE waits 13 s for IPv6 on a link without a router. Only on networks that ask for it
 * (`quietRa`); asked ones are answered, and one a minute is sent unasked. netboot-rules 9.
 */
import { routerAdvertisement } from './frames.js';
import { networkOfAddress, type Network } from './network.js';
import type { PacketPort } from './packet-port.js';

const EVERY_MS = 60_000;

/** Begins to advertise on the port's link; the returned function ends it. `address`: ours on that link, uint32. */
export function advertiseRouter(port: PacketPort, address: () => number, networks: () => readonly Network[]): () => void {
  const advertise = (): void => {
    const network = networkOfAddress(networks(), address());
    if (network !== undefined && network.quietRa && network.mode !== 'off') port.send(routerAdvertisement(port.mac));
  };
  const stopListening = port.listen((frame) => {
    if (frame.kind === 'router-solicitation') advertise();
  });
  const timer = setInterval(advertise, EVERY_MS);
  timer.unref();
  advertise();
  return () => {
    clearInterval(timer);
    stopListening();
  };
}
