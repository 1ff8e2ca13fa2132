// dr rebuild
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RebuildReport, RebuildRequest, RebuildSecret } from '../../domain/contracts/rebuild.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import { counted } from '../../domain/quantities.ts';
import { refText } from '../../domain/repository-layout.ts';
import type { Call, CommandSpec } from '../command.ts';
import { timeText, visible, visibleLines } from '../output/human.ts';
import { blocks } from '../output/report.ts';
import { s3Settings } from '../s3-address.ts';
import { askProgram } from '../worker-program.ts';

export const spec: CommandSpec = {
  name: 'rebuild',
  summary: 'bring Holdfast itself back from a repository and the offline key',
  options: [
    {
      flags: '--from <repository>',
      description: 'a copy of the repository: a folder, or s3://BUCKET[/PREFIX/][?region=…&endpoint=…]',
    },
    { flags: '--key <file>', description: 'private key of a recipient; escrow will do. It is read, never copied' },
    {
      flags: '--trust <key>',
      description: 'who sealed it: the public key in a file, or its id (may be repeated)',
      repeatable: true,
    },
    { flags: '--directory <dir>', description: 'where holdfast.yaml, keys and the witness folder go', default: '.' },
  ],
  examples: [
    ['dr rebuild --from /mnt/copy --key /media/escrow.key --trust /media/witness.pub', 'into this folder'],
    [
      'dr rebuild --from s3://backups/orders/ --key /media/escrow.key --directory /etc/holdfast',
      'tells which key sealed it; $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY are the account',
    ],
  ],
  exits: ['warnings', 'refused', 'notFound', 'verificationFailed', 'cannotDecrypt'],
  notes: `Nothing that exists is overwritten, and a second run changes nothing. It reaches the repository alone.
Without --trust it writes nothing, and tells the id of the key that sealed the repository: compare that with the id kept
beside the escrow key, and give it with --trust. Secrets are in no backup: it says which are missing, and where they belong.`,
  run,
};

async function run(call: Call): Promise<number> {
  const report = await askProgram<RebuildReport>('rebuild', ['--request', JSON.stringify(requestOf(call))]);
  call.output.answer(visibleLines(reportText(report)), report);
  const isWhole = report.warnings.length === 0 && report.secrets.every(({ state }) => state === 'there');
  return isWhole ? EXIT.done : EXIT.warnings;
}

function requestOf({ options }: Call): RebuildRequest {
  const [from, key] = [options.text('from'), options.text('key')];
  if (from === undefined || key === undefined) throw new Failure('USAGE', "'--from' and '--key' are needed");
  const tier = from.startsWith('s3://') ? { kind: 's3', ...s3Settings(from) } : { kind: 'folder', path: resolve(from) };
  return {
    tier,
    keyFile: resolve(key),
    trust: options.list('trust').map(trustOf),
    directory: resolve(options.text('directory') ?? '.'),
  };
}

function trustOf(word: string): string {
  if (/^[0-9a-f]{64}$/.test(word)) return word;
  const file = resolve(word);
  if (existsSync(file)) return file;
  throw new Failure('USAGE', `'${visible(word)}' is neither the id of a key (64 of 0-9 and a-f) nor a file`);
}

const reportText = (report: RebuildReport): string =>
  blocks(
    `Holdfast of platform '${report.platform}' is back in ${report.file}`,
    section('What is trusted, and why', trustLines(report)),
    section('Files', fileLines(report)),
    section('Changed in the configuration', report.changes),
    section('Secrets, which are in no backup', report.secrets.map(secretLine)),
    section('Programs that this configuration runs: read them before you go on', report.programs),
    section('Warnings', report.warnings),
    section('Next', nextLines(report)),
  );

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : [title, ...lines.map((line) => `  ${line}`)].join('\n');

const GROUNDS = { file: 'its public key is the one in the file you gave', id: 'you named its id' } as const;

function trustLines({ sealers, checkpoint, backup, sealedAt, openedBy }: RebuildReport): string[] {
  const { number, writtenAt, backups } = checkpoint;
  return [
    ...sealers.map(({ keyId, ground }) => `sealer ${keyId}: ${GROUNDS[ground]}`),
    `checkpoint ${number} of ${timeText(writtenAt)}, ${counted(backups, 'backup')}: its signature is that sealer's`,
    '  an older copy of the whole repository would look the same: compare the time with what you know',
    `${refText(backup)}, sealed ${timeText(sealedAt)}: signature, length and hash are right; opened by key ${openedBy}`,
  ];
}

const fileLines = ({ written, alreadyThere, auditRecords }: RebuildReport): string[] => [
  ...written.map((path) => `wrote  ${path}`),
  ...alreadyThere.map((path) => `was there, the same  ${path}`),
  ...(auditRecords === null
    ? []
    : [`audit log: ${counted(auditRecords, 'record')} from its copies; what was recorded after the last copy is lost`]),
];

const secretLine = ({ state, reference, usedBy }: RebuildSecret): string =>
  `${state === 'missing' ? '!' : ' '} ${state.padEnd(9)}  ${reference}  for ${usedBy}`;

function nextLines({ file, secrets, tiers }: RebuildReport): string[] {
  const config = `--config ${file}`;
  const missing = secrets.filter(({ state }) => state === 'missing').length;
  return [
    ...(missing > 0
      ? [`put the ${counted(missing, 'missing secret')} where the lines above say (files: mode 600)`]
      : []),
    `dr doctor ${config}`,
    `dr backups list --without-temporal ${config}`,
    `dr worker ${config}      (with a Temporal server, in another terminal)`,
    `dr recover --dry-run ${config}`,
    `dr schedule apply ${config}`,
    `dr keys make restore-2 --directory ${file.replace(/\/[^/]*$/, '/keys')}      (then put it in the place of the lost one and 'dr keys rotate')`,
    `the tiers are now: ${tiers.join(', ')}`,
  ];
}
