// The text of a new holdfast.yaml: what is known is filled in, what could be added stands beside it as a comment.
import { Document, isMap } from 'yaml';
import type { DescribedStore } from './platform-urls.ts';

export interface NewPlatform {
  readonly platform: string;
  readonly site: string;
  /** Holds the keys and secrets; absolute. */
  readonly directory: string;
  /** Holds spool, work, witness and the local tier; absolute. */
  readonly data: string;
  readonly stores: readonly DescribedStore[];
  readonly config: { readonly root: string; readonly patterns: readonly string[] } | null;
  readonly certificates: readonly { readonly certificate: string; readonly key: string }[];
  readonly s3: Readonly<Record<string, string>> | null;
}

export const keyFile = (directory: string, name: string): string => `${directory}/keys/${name}.key`;
export const publicKeyFile = (directory: string, name: string): string => `${directory}/keys/${name}.pub`;
export const secretFile = (directory: string, name: string): string => `${directory}/secrets/${name}`;

/** Names of the keys that the platform needs: recipients first, the signer last. */
export function keyNames({ certificates }: NewPlatform): { recipients: readonly string[]; signer: string } {
  const tls = certificates.length > 0 ? ['tls-restore'] : [];
  return { recipients: ['restore', 'escrow', ...tls], signer: 'witness' };
}

/** The configuration file's text. It passes the checks, except where nothing to protect was named yet. */
export function newConfiguration(platform: NewPlatform): string {
  const document = new Document(settingsOf(platform));
  document.commentBefore = ` What Holdfast protects, and where. Check it: dr config check. Everything: dr config show`;
  comment(document, ['sites', platform.site], SITE_HINTS);
  for (const { system } of platform.stores) comment(document, ['sites', platform.site, system], HINTS[system]);
  comment(document, ['repository', 'tiers'], platform.s3 === null ? TIER_HINTS : []);
  return document.toString({ lineWidth: 120 });
}

const HINTS: Readonly<Record<DescribedStore['system'], readonly string[]>> = {
  postgres: [
    'To restore a base backup in place:',
    'dataDirectory: /var/lib/postgresql/15/main',
    'service: { stop: [systemctl, stop, postgresql@15-main], start: [systemctl, start, postgresql@15-main] }',
  ],
  redis: [
    'To back up append-only files and to restore the whole store in place:',
    'dataDirectory: /var/lib/redis',
    'service: { stop: [systemctl, stop, redis-server], start: [systemctl, start, redis-server] }',
  ],
  rabbitmq: [
    'Without the data folder the messages are in no backup (definitions only):',
    'dataDirectory: /var/lib/rabbitmq/mnesia/rabbit@HOST',
    'service: { stop: [systemctl, stop, rabbitmq-server], start: [systemctl, start, rabbitmq-server] }',
  ],
};
const SITE_HINTS = [
  'config: { root: /srv/app, patterns: ["**/*.env"] }',
  'tls: { certificates: [{ name: web, certificate: /etc/ssl/web.crt, key: /etc/ssl/web.key }] }',
];
const TIER_HINTS = [
  'A second copy, away from this site:',
  's3: { kind: s3, bucket: NAME, accessKeyId: "${env:AWS_ACCESS_KEY_ID}", secretAccessKey: "${env:AWS_SECRET_ACCESS_KEY}" }',
];

function comment(document: Document, path: readonly string[], lines: readonly string[]): void {
  const node = document.getIn(path, true);
  if (isMap(node) && lines.length > 0) node.comment = lines.map((line) => ` ${line}`).join('\n');
}

function settingsOf(platform: NewPlatform): Record<string, unknown> {
  const { directory, data, site } = platform;
  return {
    platform: platform.platform,
    activeSite: site,
    witness: { directory: `${data}/witness` },
    sites: { [site]: siteOf(platform) },
    repository: {
      spool: `${data}/spool`,
      tiers: {
        local: { kind: 'folder', path: `${data}/backups` },
        ...(platform.s3 === null ? {} : { s3: { kind: 's3', ...platform.s3 } }),
      },
      keys: keySet(directory, 'restore'),
      ...(platform.certificates.length > 0 ? { tlsKeys: keySet(directory, 'tls-restore') } : {}),
      signing: {
        name: 'witness',
        key: `\${file:${keyFile(directory, 'witness')}}`,
        trusted: [{ name: 'witness', publicKey: publicKeyFile(directory, 'witness') }],
      },
    },
  };
}

function keySet(directory: string, reader: string) {
  return {
    recipients: [reader, 'escrow'].map((name) => ({ name, publicKey: publicKeyFile(directory, name) })),
    private: [{ name: reader, key: `\${file:${keyFile(directory, reader)}}` }],
  };
}

function siteOf({ directory, data, stores, config, certificates }: NewPlatform): Record<string, unknown> {
  const described = stores.map(({ system, settings, reference, password }) => {
    const secret = password === null ? reference : `\${file:${secretFile(directory, system)}}`;
    return [system, { ...settings, ...(secret === null ? {} : { password: secret }) }];
  });
  const named = certificates.map((pair, index) => ({ name: index === 0 ? 'web' : `web-${index + 1}`, ...pair }));
  return {
    workDirectory: `${data}/work`,
    ...Object.fromEntries(described),
    ...(config === null ? {} : { config }),
    ...(named.length === 0 ? {} : { tls: { certificates: named } }),
  };
}
