// dr keys show|make|rotate

import { createHash, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import type { KeyReport } from '../../domain/key-rotation.ts';
import { counted } from '../../domain/quantities.ts';
import type { Call, CommandGroup } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';
import { writeNewFiles } from '../new-files.ts';
import { table, visible } from '../output/human.ts';
import { blocks } from '../output/report.ts';
import { makeRecipient } from '../platform-keys.ts';
import { askQuestion, WITHOUT_TEMPORAL } from '../temporal/question.ts';
import { rotateKeys } from '../temporal/rotate-keys.ts';

export const spec: CommandGroup = {
  name: 'keys',
  summary: 'show, make and rotate the keys that open the backups',
  commands: [
    {
      name: 'show',
      summary: 'show the id of every key, and the backups whose key it can open',
      options: [
        { flags: '--backups', description: 'look into every backup, not only at the configuration' },
        WITHOUT_TEMPORAL,
      ],
      examples: [
        ['dr keys show', 'ids and where the private halves are'],
        ['dr keys show --backups', 'and which backups each one opens'],
      ],
      exits: ['warnings', 'noTemporal', 'verificationFailed'],
      run: show,
    },
    {
      name: 'make',
      summary: 'make a key pair for a new recipient',
      args: '<name>',
      options: [{ flags: '--directory <dir>', description: 'where NAME.pub and NAME.key go', default: '.' }],
      examples: [['dr keys make restore-2 --directory /etc/holdfast/keys', 'RSA-4096; nothing is overwritten']],
      exits: ['refused'],
      run: make,
    },
    {
      name: 'rotate',
      summary: 'let the configured recipients open the stored backups, and nobody else',
      options: [
        { flags: '--dry-run', description: 'show who would gain and who would lose, and change nothing' },
        { flags: '--confirm <platform>', description: "the platform's name, in place of typing it" },
      ],
      examples: [
        ['dr keys rotate --dry-run', 'who gains and who loses'],
        ['dr keys rotate --confirm orders', 'carry it out'],
      ],
      exits: ['refused', 'locked', 'noTemporal', 'cannotDecrypt', 'detached'],
      notes:
        'Add the new recipient to repository.keys, keep the private key of the old one until the rotation is done, and restart the workers first.',
      run: rotateKeys,
    },
  ],
};

interface KeyLine {
  readonly purpose: 'data' | 'certificates' | 'seals';
  readonly name: string;
  /** SHA-256 of the public key, or the ARN in KMS; null when the key's file cannot be read here. */
  readonly keyId: string | null;
  readonly privateHalf: 'here' | 'elsewhere' | 'in KMS';
  /** How many backups it opens; null when that was not asked. */
  readonly opens: number | null;
}

async function show(call: Call): Promise<number> {
  const { configuration } = await loadConfiguration(call);
  const keys = await configuredKeys(configuration.repository);
  const report = call.options.flag('backups') ? await askQuestion<KeyReport>(call, { kind: 'reportKeys' }) : null;
  const lines = keys.map((key): KeyLine => ({ ...key, opens: report && (report.opens[key.keyId ?? ''] ?? 0) }));
  const text = report === null ? '' : blocks(closedText(report), staleText(report));
  call.output.answer(blocks(keyTable(lines), text), { keys: lines, ...(report === null ? {} : { backups: report }) });
  const isWell = text === '' && lines.every(({ keyId }) => keyId !== null);
  return isWell ? EXIT.done : EXIT.warnings;
}

const closedText = ({ openedByNone: { count, newest } }: KeyReport): string =>
  count === 0 ? '' : `! ${counted(count, 'backup')} can be opened by none of these keys: ${someText(count, newest)}`;

const staleText = ({ stale: { count, newest } }: KeyReport): string =>
  count === 0
    ? ''
    : `! ${counted(count, 'backup')} can be opened by others than the configuration says: ${someText(count, newest)}\n    DO: dr keys rotate --dry-run`;

const someText = (count: number, newest: readonly string[]): string =>
  newest.join(', ') + (count > newest.length ? ', …' : '');

async function make(call: Call): Promise<number> {
  const name = call.args[0] ?? '';
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name))
    throw new Failure('USAGE', `'${visible(name)}' cannot be the name of a key: a-z, 0-9 and -, a letter first`);
  const directory = resolve(call.options.text('directory') ?? '.');
  const { publicKey, privateKey } = await makeRecipient(name);
  const files = { publicKey: join(directory, `${name}.pub`), privateKey: join(directory, `${name}.key`) };
  await writeNewFiles(
    new Map([
      [files.publicKey, publicKey],
      [files.privateKey, privateKey],
    ]),
  );
  call.output.answer(`wrote  ${files.publicKey}\nwrote  ${files.privateKey}`, files);
  return EXIT.done;
}

type ConfiguredKey = Omit<KeyLine, 'opens'>;

function configuredKeys({ keys, tlsKeys, signing }: Configuration['repository']): Promise<ConfiguredKey[]> {
  const held = (set: typeof keys) => set.private.map(({ name }) => name);
  const recipients = (purpose: KeyLine['purpose'], set: typeof keys) => [
    ...set.recipients.map(({ name, publicKey }) => keyOf(purpose, name, publicKey, held(set).includes(name))),
    ...set.kms.map(({ name, arn }): ConfiguredKey => ({ purpose, name, keyId: arn, privateHalf: 'in KMS' })),
  ];
  return Promise.all([
    ...recipients('data', keys),
    ...(tlsKeys ? recipients('certificates', tlsKeys) : []),
    ...signing.trusted.map(({ name, publicKey }) =>
      keyOf('seals', name, publicKey, signing.key !== undefined && name === signing.name),
    ),
  ]);
}

async function keyOf(purpose: KeyLine['purpose'], name: string, path: string, isHere: boolean): Promise<ConfiguredKey> {
  return { purpose, name, keyId: await keyIdOf(path), privateHalf: isHere ? 'here' : 'elsewhere' };
}

async function keyIdOf(path: string): Promise<string | null> {
  const pem = await readFile(path, 'utf8').catch(() => null);
  if (pem === null) return null;
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

const keyTable = (lines: readonly KeyLine[]): string =>
  table<KeyLine>(
    [
      { title: 'FOR', value: ({ purpose }) => purpose },
      { title: 'NAME', value: ({ name }) => name },
      { title: 'KEY ID (SHA-256, OR ARN)', value: ({ keyId }) => keyId ?? 'cannot be read here' },
      { title: 'PRIVATE HALF', value: ({ privateHalf }) => privateHalf },
      {
        title: 'OPENS',
        value: ({ purpose, opens }) => (opens === null || purpose === 'seals' ? '' : counted(opens, 'backup')),
      },
    ],
    lines,
  );
