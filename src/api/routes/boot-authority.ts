/** The authority of HTTPS boot: its certificate, for whoever enrols it in firmware or builds an iPXE that trusts it. */
import { z } from 'zod';
import { readAuthority } from '../../boot-http/authority.js';
import { NotFoundError } from '../../shared/errors.js';
import { bootAuthoritySchema } from '../transfer-schemas.js';
import { defineRoute, type Route } from '../route.js';

export function bootAuthorityRoutes({ config }: { config: { home: string } }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/boot/ca',
      scope: 'viewer',
      tag: 'boot',
      summary: 'The certificate of the authority of HTTPS boot; 404 while there is none (PRYBAR_BOOT_HTTPS_PORT makes it)',
      query: z.strictObject({}),
      answer: bootAuthoritySchema,
      async handle() {
        const authority = await readAuthority(config.home);
        if (authority === undefined) throw new NotFoundError('certificate authority', 'boot (start Prybar with PRYBAR_BOOT_HTTPS_PORT)');
        return { pem: authority.toString(), fingerprint_sha256: authority.fingerprint256, not_after: new Date(authority.validTo).toISOString() };
      },
    }),
  ];
}
