/**
 * PURE: what templates see. Names are those that users' own templates are written against; nothing else of Prybar is
 * reachable from a template, and no secret of another node.
 */
import { macWithDashes } from '../shared/mac.js';
import { diskPath, hostnameOf, readInstallSpec } from './install-spec.js';

/** The facts a rendering starts from. */
export type RenderSubject = {
  bootenv: string;
  /** Defaults of the bootenv for `params`. */
  params: Record<string, unknown>;
  node: { id: number; name: string; arch: string; uuid: string | null; serial: string | null };
  mac: string;
  /** `http://host:port` of boot HTTP. */
  baseUrl: string;
  network: { domain: string; dns: readonly string[]; router: string | null };
  install: { id: number; spec: unknown } | null;
  /** Null where no token is rendered. */
  bootToken: string | null;
  installToken: string | null;
};

/** The template's variables. Throws ZodError when the install's spec is not usable. */
export function renderContext(subject: RenderSubject): Record<string, unknown> {
  const { node, mac, baseUrl, install } = subject;
  const spec = readInstallSpec(install?.spec ?? {}, subject.params);
  const name = hostnameOf(spec.hostname ?? node.name, subject.network.domain);
  const disk = diskPath(spec.disk);
  return {
    bootenv: subject.bootenv,
    node: { id: node.id, name: node.name, arch: node.arch, uuid: node.uuid ?? '', serial: node.serial ?? '', mac, mac_dashes: macWithDashes(mac), ...name },
    network: { domain: subject.network.domain, dns: [...subject.network.dns], router: subject.network.router ?? '' },
    install: { id: install?.id ?? 0, disk_path: disk, disk_name: disk.replace(/^\/dev\//, ''), packages: spec.packages },
    params: spec.params,
    urls: {
      base: baseUrl,
      files: `${baseUrl}/boot/files/${subject.bootenv}`,
      answers: `${baseUrl}/boot/answers/${subject.bootToken ?? ''}`,
      agent: `${baseUrl}/boot/agent`,
      installing: `${baseUrl}/node/${node.id}/installing`,
      bootenv_local: `${baseUrl}/node/${node.id}/bootenv-local`,
    },
    install_token: subject.installToken ?? '',
  };
}

/** A token's length in a file that must not carry one: HEAD answers, the render check at start. */
export const TOKEN_PLACEHOLDER = '-'.repeat(43);

/** A subject that every bootenv has to render at start, awkward on purpose. */
export function sampleSubject(bootenv: string, params: Record<string, unknown>): RenderSubject {
  return {
    bootenv,
    params,
    node: { id: 1, name: 'sample-1.example.internal', arch: 'x86_64', uuid: null, serial: 'a "serial" $(x)' },
    mac: '52:54:00:00:00:01',
    baseUrl: 'http://192.0.2.1:8191',
    network: { domain: 'example.internal', dns: ['192.0.2.53', '192.0.2.54'], router: '192.0.2.1' },
    install: { id: 1, spec: { disk: 'sda', packages: ['curl'], params: { authorized_keys: ['ssh-ed25519 AAAA sample'] } } },
    bootToken: TOKEN_PLACEHOLDER,
    installToken: TOKEN_PLACEHOLDER,
  };
}
