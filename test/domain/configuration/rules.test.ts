import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../../domain/configuration/parse.ts';
import { problemLine } from '../../../domain/configuration/problem.ts';
import { RULES } from '../../../domain/configuration/rules.ts';
import { EXAMPLE, exampleWith } from './example.ts';

type Change = readonly [from: string, to: string];

const DNS = `    dns: { addresses: { app.orders.example: [192.0.2.1], api.orders.example: [west.orders.example] } }
  east:
    workDirectory: /w
    dns: { addresses: { app.orders.example: [192.0.2.2], api.orders.example: [east.orders.example] } }
dns:
  zone: Z0123456789ABCDEFGHIJ
  name: orders.example
  records: [{ name: app.orders.example, type: A }, { name: api.orders.example, type: CNAME }]
`;

/** The example with public names at two sites, and one text of them replaced. */
const dnsWith = (from: string, to: string): Change => {
  if (!DNS.includes(from)) throw new Error(`the example does not hold: ${from}`);
  return ['repository:\n', `${DNS.replace(from, () => to)}repository:\n`];
};

/** The example with Terraform at a second site, its state in `backend`. */
const terraformWith = (backend: string): Change => [
  'repository:\n',
  `  east: { workDirectory: /w, terraform: { directory: /t, backend: ${backend} } }\nrepository:\n`,
];

const KMS_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
/** The example with settings of its witness. */
const witnessWith = (settings: string): Change => [
  '/var/lib/holdfast/witness }',
  `/var/lib/holdfast/witness, ${settings} }`,
];

const BROKEN: Readonly<Record<string, Change>> = {
  activeSiteExists: ['activeSite: west', 'activeSite: east'],
  activeSiteProtectsSomething: ['activeSite: west', 'activeSite: east'],
  brokerMessagesAreReachable: ['      dataDirectory: /var/lib/rabbitmq/mnesia/rabbit@west\n', ''],
  workDirectoriesHaveRoomForSockets: ['/var/lib/holdfast/work', `/var/lib/${'holdfast/'.repeat(5)}työtä`],
  servicesHaveDataDirectories: [
    'redis: { host: 127.0.0.1 }',
    'redis: { host: 127.0.0.1, service: { stop: [a], start: [b] } }',
  ],
  certificatesHaveOwnNames: [
    'key: /etc/ssl/web.key }',
    'key: /etc/ssl/web.key }\n        - { name: web, certificate: /etc/b.crt, key: /etc/b.key }',
  ],
  enoughPeopleMayApprove: [
    'repository:',
    'failover: { approvers: [{ name: anna, publicKey: /k/anna.pub }, { name: anna, publicKey: /k/a.pub }] }\nrepository:',
  ],
  handoversCanBeTakenBack: [
    '/var/lib/holdfast/work',
    '/var/lib/holdfast/work\n    quiesce: { commands: [[close]], undo: [[open]] }\n    fence: { commands: [[stop]] }',
  ],
  passwordsTravelEncrypted: ['redis: { host: 127.0.0.1 }', 'redis: { host: cache.internal, password: "${env:R}" }'],
  schedulesMeetTheirObjectives: ['repository:', 'schedules: { redis: { every: 20min } }\nrepository:'],
  schedulesAreNotTooDense: ['repository:', 'schedules: { redis: { every: 30s } }\nrepository:'],
  certificatesAreWatchedOften: ['    tls:\n', '    tls:\n      watchEvery: 1h\n'],
  kindsAreKnown: ['repository:', 'schedules: { redis: { kinds: [rbd] } }\nrepository:'],
  kindsCanBeTaken: ['repository:', 'schedules: { redis: { kinds: [rdb, aof] } }\nrepository:'],
  backupsAreKeptUntilTheNext: ['path: /backup/holdfast', 'path: /backup/holdfast, keep: 2h'],
  proofsAreRenewedInTime: ['repository:', 'schedules: { verify: { every: 8d } }\nrepository:'],
  absenceIsNoticedInTime: ['repository:', 'schedules: { presence: { every: 2h } }\nrepository:'],
  privateKeysBelongToRecipients: ['- { name: restore, key:', '- { name: other, key:'],
  recipientsHaveOwnNamesAndKeys: ['name: escrow', 'name: restore'],
  kmsAccountsAreComplete: [
    '    private:\n',
    `    kms:\n      - { name: kms, arn: ${KMS_ARN}, accessKeyId: "\${env:ID}" }\n    private:\n`,
  ],
  kmsIsReachedEncrypted: [
    '    private:\n',
    `    kms:\n      - { name: kms, arn: ${KMS_ARN}, endpoint: http://kms.example.com }\n    private:\n`,
  ],
  signersHaveOwnNames: ['trusted:\n', 'trusted:\n      - { name: witness, publicKey: /etc/holdfast/keys/older.pub }\n'],
  channelsHaveOwnNames: [
    'repository:',
    'notifications: [{ kind: slack, name: ops, url: "${env:A}" }, { kind: slack, name: ops, url: "${env:B}" }]\nrepository:',
  ],
  oneRecipientIsKeptOffline: ['      - { name: escrow, publicKey: /etc/holdfast/keys/escrow.pub }\n', ''],
  certificatesHaveOwnKeyDomain: [
    '  tlsKeys:\n    recipients:\n      - { name: tls-restore, publicKey: /etc/holdfast/keys/tls-restore.pub }\n',
    '',
  ],
  signingKeyIsTrusted: ['    name: witness\n', '    name: other\n'],
  tierAccountsAreComplete: [', secretAccessKey: "${env:SECRET}"', ''],
  endpointsAreEncrypted: ['bucket: orders-backup', 'bucket: orders-backup, endpoint: http://s3.example.com'],
  oneTierIsElsewhere: [
    '    s3: { kind: s3, bucket: orders-backup, accessKeyId: "${env:ID}", secretAccessKey: "${env:SECRET}" }\n',
    '',
  ],
  storageClassFitsRetention: ['bucket: orders-backup', 'bucket: orders-backup, keep: 7d'],
  namesAreInTheZone: dnsWith('name: app.orders.example', 'name: app.other.example'),
  recordsAreNamedOnce: dnsWith('type: A }', 'type: A }, { name: APP.orders.example., type: A }'),
  aliasesStandAlone: dnsWith('name: api.orders.example', 'name: app.orders.example'),
  everyRecordHasAddressesAtEverySite: dnsWith('[192.0.2.2]', '["2001:db8::2"]'),
  everyAddressIsUsed: dnsWith('[192.0.2.1]', '[192.0.2.1, "2001:db8::1"]'),
  namesDoNotPointAtThemselves: dnsWith('[west.orders.example]', '[app.orders.example]'),
  sitesPointElsewhere: dnsWith('[192.0.2.2], api.orders.example: [east', '[192.0.2.1], api.orders.example: [west'),
  everySiteHasAddresses: dnsWith('  east:\n', '  north: { workDirectory: /n }\n  east:\n'),
  healthChecksAreAtBothSites: dnsWith('    dns: {', '    dns: { healthCheck: { id: abc, withdraw: [a], offer: [b] },'),
  healthChecksAreTheirSitesOwn: [
    'repository:\n',
    `${DNS.replaceAll('    dns: {', '    dns: { healthCheck: { id: abc, withdraw: [a], offer: [b] },')}repository:\n`,
  ],
  ttlFitsItsBudget: dnsWith('type: A }', 'type: A, ttl: 1h }'),
  dnsAccountIsComplete: dnsWith('dns:\n  zone', 'dns:\n  accessKeyId: "${env:ID}"\n  zone'),
  dnsEndpointIsEncrypted: dnsWith('dns:\n  zone', 'dns:\n  endpoint: http://route53.example.com\n  zone'),
  terraformAccountIsComplete: terraformWith('{ kind: s3, bucket: states, key: east, accessKeyId: "${env:ID}" }'),
  terraformStateIsEncrypted: terraformWith('{ kind: s3, bucket: states, key: east, endpoint: http://s3.example.com }'),
  everySiteHasItsOwnState: [
    'repository:\n',
    `${['east', 'north'].map((site) => `  ${site}: { workDirectory: /${site}, terraform: { directory: /t, backend: { kind: local, path: /s } } }\n`).join('')}repository:\n`,
  ],
  probesGoThroughThePublicName: [
    'repository:\n',
    `${DNS}notifications: [{ kind: slack, name: ops, url: "\${env:A}" }]\nrepository:\n`,
  ],
  outagesAreHeardOf: witnessWith('probes: [{ check: redis, host: app.orders.example }]'),
  cleanWindowsHoldSeveralLooks: witnessWith('probes: [{ check: redis, host: app.orders.example }], clean: 6s'),
  agentsCanFence: ['/var/lib/holdfast/work', '/var/lib/holdfast/work\n    agent: { start: [[start]] }'],
  leasesOutlastLooks: [
    '/var/lib/holdfast/work',
    '/var/lib/holdfast/work\n    agent: { start: [[a]], fence: [[b]], lease: { length: 10s, stores: [/m/one, /m/two] } }',
  ],
  foldersAreApart: ['spool: /var/lib/holdfast/spool', 'spool: /backup/holdfast/spool'],
};

const SECOND: Readonly<Record<string, Change>> = {
  probesGoThroughThePublicName: witnessWith('probes: [{ check: http, url: "https://www.orders.example/" }]'),
  cleanWindowsHoldSeveralLooks: [
    'repository:\n',
    'notifications: [{ kind: slack, name: ops, url: "${env:A}" }]\nrepository:\n',
  ],
  activeSiteProtectsSomething: ['sites:\n', 'sites:\n  east: { workDirectory: /w }\n'],
};

const broken = (rule: string) => {
  const changes = [BROKEN[rule], SECOND[rule]].filter((change) => change !== undefined);
  return parseConfiguration(exampleWith(...changes)).problems.map((problem) => problemLine('h.yaml', problem));
};

describe('the rules', () => {
  it('have one breaking example each', () => {
    expect(Object.keys(BROKEN).sort()).toEqual(Object.keys(RULES).sort());
    expect(parseConfiguration(EXAMPLE).problems).toEqual([]);
    expect(parseConfiguration(exampleWith(dnsWith('Z', 'Z'))).problems).toEqual([]);
  });

  it('tell what is broken, where, and what would be right', () => {
    expect(Object.fromEntries(Object.keys(BROKEN).map((rule) => [rule, broken(rule)]))).toMatchInlineSnapshot(`
      {
        "absenceIsNoticedInTime": [
          "h.yaml:21:33: warning: schedules.presence.every: looking for absent backups every 2h is slower than the shortest objective (15min); for example 15min",
        ],
        "activeSiteExists": [
          "h.yaml:2:13: error: activeSite: no site is called 'east': known: 'west'; for example west",
        ],
        "activeSiteProtectsSomething": [
          "h.yaml:5:9: error: sites.east: nothing is protected here: name at least one of 'postgres', 'redis', 'rabbitmq', 'config', 'tls'",
        ],
        "agentsCanFence": [
          "h.yaml:7:12: error: sites.west.agent: this agent could start the site and never stop it: name the commands that do; for example fence: [[systemctl, stop, postgresql@15-main]]",
        ],
        "aliasesStandAlone": [
          "h.yaml:21:23: error: sites.west.dns.addresses: nothing for 'app.orders.example' that a CNAME record can hold",
          "h.yaml:21:79: error: sites.west.dns.addresses.api.orders.example[0]: dns.records has no CNAME record 'api.orders.example' that would hold this",
          "h.yaml:24:23: error: sites.east.dns.addresses: nothing for 'app.orders.example' that a CNAME record can hold",
          "h.yaml:24:79: error: sites.east.dns.addresses.api.orders.example[0]: dns.records has no CNAME record 'api.orders.example' that would hold this",
          "h.yaml:28:52: error: dns.records[1]: a CNAME cannot stand beside another record of the same name",
        ],
        "backupsAreKeptUntilTheNext": [
          "h.yaml:24:58: error: repository.tiers.local.keep: keeps backups for 2h, shorter than the 1d until the next one is taken; for example 7d",
        ],
        "brokerMessagesAreReachable": [
          "h.yaml:11:5: warning: sites.west.rabbitmq: definitions only: without dataDirectory the messages of this broker are in no backup; for example /var/lib/rabbitmq/mnesia/rabbit@host",
        ],
        "certificatesAreWatchedOften": [
          "h.yaml:19:19: error: sites.west.tls.watchEvery: looking every 1h cannot meet the objective for certificates: at most 1min; for example 10s",
        ],
        "certificatesHaveOwnKeyDomain": [
          "h.yaml:21:1: warning: repository: certificates share the key domain of the data: whoever restores data can read their private keys; for example repository.tlsKeys",
        ],
        "certificatesHaveOwnNames": [
          "h.yaml:21:19: error: sites.west.tls.certificates[1].name: this certificate name is given twice",
        ],
        "channelsHaveOwnNames": [
          "h.yaml:21:83: error: notifications[1].name: 'ops' is given twice",
        ],
        "cleanWindowsHoldSeveralLooks": [
          "h.yaml:3:111: error: witness.clean: an outage would end with one lucky look: every 5s is too seldom for it; for example 60s",
        ],
        "dnsAccountIsComplete": [
          "h.yaml:25:1: error: dns: secretAccessKey is missing: give both or neither",
        ],
        "dnsEndpointIsEncrypted": [
          "h.yaml:26:13: warning: dns.endpoint: changes cross the network unencrypted: use https",
        ],
        "endpointsAreEncrypted": [
          "h.yaml:25:54: warning: repository.tiers.s3.endpoint: names of backups cross the network in plain text: use https",
        ],
        "enoughPeopleMayApprove": [
          "h.yaml:21:73: error: failover.approvers[1].name: this approver is named twice",
        ],
        "everyAddressIsUsed": [
          "h.yaml:21:57: error: sites.west.dns.addresses.app.orders.example[1]: dns.records has no AAAA record 'app.orders.example' that would hold this",
        ],
        "everyRecordHasAddressesAtEverySite": [
          "h.yaml:24:23: error: sites.east.dns.addresses: nothing for 'app.orders.example' that a A record can hold",
          "h.yaml:24:46: error: sites.east.dns.addresses.app.orders.example[0]: dns.records has no AAAA record 'app.orders.example' that would hold this",
        ],
        "everySiteHasAddresses": [
          "h.yaml:22:10: error: sites.north: traffic cannot be moved to this site: it has no dns.addresses for 'app.orders.example', 'api.orders.example'",
        ],
        "everySiteHasItsOwnState": [
          "h.yaml:22:72: error: sites.north.terraform.backend: the state of another site: each would take away what the other has made",
        ],
        "foldersAreApart": [
          "h.yaml:24:34: error: repository.tiers.local.path: '/backup/holdfast' and '/backup/holdfast/spool' (repository.spool) lie within each other: what cleans the one would remove the other",
        ],
        "handoversCanBeTakenBack": [
          "h.yaml:8:12: warning: sites.west.fence: no command starts this site again after its fence: a planned failover from here is refused; give 'undo'",
        ],
        "healthChecksAreAtBothSites": [
          "h.yaml:21:25: error: sites.west.dns.healthCheck: failover records are a pair: exactly two sites have dns, and both name a healthCheck, or none does",
        ],
        "healthChecksAreTheirSitesOwn": [
          "h.yaml:24:31: error: sites.east.dns.healthCheck.id: the health check of another site: withdrawing one would withdraw both",
        ],
        "kindsAreKnown": [
          "h.yaml:21:31: error: schedules.redis.kinds[0]: redis has no kind 'rbd': there are 'rdb', 'aof'",
        ],
        "kindsCanBeTaken": [
          "h.yaml:21:36: error: schedules.redis.kinds[1]: the kind 'aof' reads the store's files: set sites.west.redis.dataDirectory",
        ],
        "kmsAccountsAreComplete": [
          "h.yaml:31:9: error: repository.keys.kms[0]: secretAccessKey is missing: give both halves of the account, or neither to take the machine's own",
        ],
        "kmsIsReachedEncrypted": [
          "h.yaml:31:117: error: repository.keys.kms[0].endpoint: the keys of backups would cross the network in plain text: use https",
        ],
        "leasesOutlastLooks": [
          "h.yaml:7:59: error: sites.west.agent.lease.length: the site would stop itself after fewer than three looks in vain, one every 5s; for example 60s",
        ],
        "namesAreInTheZone": [
          "h.yaml:21:23: error: sites.west.dns.addresses: nothing for 'app.other.example' that a A record can hold",
          "h.yaml:21:46: error: sites.west.dns.addresses.app.orders.example[0]: dns.records has no A record 'app.orders.example' that would hold this",
          "h.yaml:24:23: error: sites.east.dns.addresses: nothing for 'app.other.example' that a A record can hold",
          "h.yaml:24:46: error: sites.east.dns.addresses.app.orders.example[0]: dns.records has no A record 'app.orders.example' that would hold this",
          "h.yaml:28:21: error: dns.records[0].name: 'app.other.example' is not in the zone 'orders.example'",
        ],
        "namesDoNotPointAtThemselves": [
          "h.yaml:21:79: error: sites.west.dns.addresses.api.orders.example[0]: 'app.orders.example' is itself moved with the site: a loop",
        ],
        "oneRecipientIsKeptOffline": [
          "h.yaml:27:5: warning: repository.keys.recipients: no recipient is kept offline: losing these machines loses every backup; add an escrow key",
        ],
        "oneTierIsElsewhere": [
          "h.yaml:23:3: warning: repository.tiers: there is one copy only: add a second tier, away from this site",
        ],
        "outagesAreHeardOf": [
          "h.yaml:3:58: warning: witness.probes: an outage is written down and nobody hears of it: name a channel in notifications",
        ],
        "passwordsTravelEncrypted": [
          "h.yaml:10:12: warning: sites.west.redis: the password crosses the network unencrypted: set tls to true",
        ],
        "privateKeysBelongToRecipients": [
          "h.yaml:31:17: error: repository.keys.private[0].name: 'other' is not among the recipients ('restore', 'escrow'), so this key opens nothing",
        ],
        "probesGoThroughThePublicName": [
          "h.yaml:3:79: warning: witness.probes[0].url: clients do not go to 'www.orders.example': what is seen there is not what they meet; for example 'app.orders.example'",
        ],
        "proofsAreRenewedInTime": [
          "h.yaml:21:31: error: schedules.verify.every: a verification every 8d lets every proof grow older than repository.proofLimit (7d); for example 1d",
        ],
        "recipientsHaveOwnNamesAndKeys": [
          "h.yaml:29:17: error: repository.keys.recipients[1].name: 'restore' is given twice",
          "h.yaml:27:5: warning: repository.keys.recipients: no recipient is kept offline: losing these machines loses every backup; add an escrow key",
        ],
        "recordsAreNamedOnce": [
          "h.yaml:28:52: error: dns.records[1]: this record is given twice",
        ],
        "schedulesAreNotTooDense": [
          "h.yaml:21:30: error: schedules.redis.every: must be at least 1min; for example 15min",
        ],
        "schedulesMeetTheirObjectives": [
          "h.yaml:21:30: error: schedules.redis.every: a backup every 20min cannot meet the objective of 15min (objectives.redis.rpo); for example 15min",
        ],
        "servicesHaveDataDirectories": [
          "h.yaml:10:40: warning: sites.west.redis.service: a service that can be stopped needs a dataDirectory, or nothing can be restored in its place",
        ],
        "signersHaveOwnNames": [
          "h.yaml:40:17: error: repository.signing.trusted[1].name: 'witness' is given twice",
        ],
        "signingKeyIsTrusted": [
          "h.yaml:36:11: error: repository.signing.name: 'other' is not among the trusted keys ('witness'), so what it seals would be refused; for example witness",
        ],
        "sitesPointElsewhere": [
          "h.yaml:24:23: error: sites.east.dns.addresses: the same addresses as another site: a move would move nothing",
        ],
        "storageClassFitsRetention": [
          "h.yaml:25:50: warning: repository.tiers.s3.keep: STANDARD_IA is billed for 30d whatever is deleted earlier (keep is 7d); for example 30d",
        ],
        "terraformAccountIsComplete": [
          "h.yaml:21:67: error: sites.east.terraform.backend: secretAccessKey is missing: give both or neither",
        ],
        "terraformStateIsEncrypted": [
          "h.yaml:21:116: warning: sites.east.terraform.backend.endpoint: the state, which may hold secrets, crosses the network unencrypted: use https",
        ],
        "tierAccountsAreComplete": [
          "h.yaml:25:9: error: repository.tiers.s3: secretAccessKey is missing: give both halves of the account, or neither to take the machine's own",
        ],
        "ttlFitsItsBudget": [
          "h.yaml:28:55: warning: dns.records[0].ttl: clients may hold the old address for 1h after a move; dns.ttlBudget is 1min; for example 1min",
        ],
        "workDirectoriesHaveRoomForSockets": [
          "h.yaml:6:20: error: sites.west.workDirectory: its 61 bytes leave no room for a scratch server's socket, whose path may have 107: at most 52; for example /var/lib/holdfast/work",
        ],
      }
    `);
  });
});
