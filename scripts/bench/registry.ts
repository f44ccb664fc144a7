/** Every bench there is: one import and one line each. */
import { annealer } from './annealer.js';
import type { Bench } from './bench.js';
import { dhcp } from './dhcp.js';
import { dns } from './dns.js';
import { http } from './http.js';
import { tftp } from './tftp.js';

export const benches: readonly Bench[] = [annealer, dhcp, dns, tftp, http];
