// dr backups list|show|diff|hold|release
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import type { BackupRef, BackupSummary, Manifest, ShownBackup } from '../../domain/manifest.ts';
import { counted, formatBytes } from '../../domain/quantities.ts';
import { isSystemName, type SystemName } from '../../domain/systems.ts';
import type { Call, CommandGroup } from '../command.ts';
import { table, timeText, visible } from '../output/human.ts';
import { backupTable, backupWarnings, blocks } from '../output/report.ts';
import { askQuestion, WITHOUT_TEMPORAL } from '../temporal/question.ts';

const READS = ['notFound', 'noTemporal', 'verificationFailed', 'cannotDecrypt'] as const;

export const spec: CommandGroup = {
  name: 'backups',
  summary: 'list, show, compare, hold and release backups',
  commands: [
    {
      name: 'list',
      summary: 'list the backups that exist (sealed, in every tier)',
      args: '[system]',
      options: [
        { flags: '--tier <name>', description: 'what one tier holds (default: all)' },
        { flags: '--newest <count>', description: 'how many; more than 1500 only without Temporal', default: '1000' },
        WITHOUT_TEMPORAL,
      ],
      examples: [
        ['dr backups list', 'every backup'],
        ['dr backups list postgres --tier s3', 'of one system, in one tier'],
        ['dr backups list --without-temporal', 'when Temporal is down'],
      ],
      exits: READS,
      run: list,
    },
    {
      name: 'show',
      summary: 'show what one backup holds',
      args: '<backup>',
      options: [WITHOUT_TEMPORAL],
      examples: [['dr backups show postgres/20261123t054900z-physical-6789ab', 'its manifest']],
      exits: READS,
      run: show,
    },
    {
      name: 'diff',
      summary: 'show what changed between two backups of the configuration (secrets masked)',
      args: '<from> <to>',
      options: [WITHOUT_TEMPORAL],
      examples: [
        ['dr backups diff config/20261122t000000z-files-aaaaaa config/20261123t000000z-files-bbbbbb', 'compare'],
      ],
      exits: READS,
      run: diff,
    },
    {
      name: 'hold',
      summary: 'keep a backup whatever its age',
      args: '<backup>',
      options: [{ flags: '--reason <text>', description: 'why (kept in the audit log)' }],
      examples: [
        ['dr backups hold redis/20261123t054900z-rdb-6789ab --reason "incident 42"', 'retention leaves it alone'],
      ],
      exits: ['notFound', 'locked', 'noTemporal'],
      run: (call) => change(call, true),
    },
    {
      name: 'release',
      summary: 'let retention decide about a held backup again',
      args: '<backup>',
      options: [{ flags: '--reason <text>', description: 'why (kept in the audit log)' }],
      examples: [['dr backups release redis/20261123t054900z-rdb-6789ab --reason "closed"', 'undo a hold']],
      exits: ['notFound', 'locked', 'noTemporal'],
      run: (call) => change(call, false),
    },
  ],
};

async function list(call: Call): Promise<number> {
  const [word] = call.args;
  const system = word === undefined ? null : requireKnownSystem(word);
  const tier = call.options.text('tier') ?? null;
  const most = newestOf(call.options.text('newest'));
  const found = await askQuestion<readonly BackupSummary[]>(call, {
    kind: 'listBackups',
    system,
    tier,
    most: most + 1,
  });
  const backups = found.slice(0, most);
  if (found.length > most) call.output.note(`there are more: these are the newest ${most}; see --newest`);
  const text = backups.length === 0 ? 'there is no backup yet' : blocks(backupTable(backups), backupWarnings(backups));
  call.output.answer(text, backups);
  return EXIT.done;
}

function newestOf(text: string | undefined): number {
  const newest = Number(text);
  if (!Number.isInteger(newest) || newest < 1) throw new Failure('USAGE', '--newest is a whole number from 1');
  return newest;
}

function requireKnownSystem(word: string): SystemName {
  if (isSystemName(word)) return word;
  throw new Failure('USAGE', `'${visible(word)}' is not a system`);
}

/** `system/id`, as the lists print it. @throws {Failure} USAGE. */
export function backupRef(word: string | undefined): BackupRef {
  const [system = '', backupId = '', ...rest] = (word ?? '').split('/');
  if (isSystemName(system) && backupId !== '' && rest.length === 0) return { system, backupId };
  throw new Failure(
    'USAGE',
    `'${visible(word ?? '')}' does not name a backup: write SYSTEM/ID as 'dr backups list' shows them`,
  );
}

async function show(call: Call): Promise<number> {
  const manifest = await askQuestion<ShownBackup>(call, { kind: 'showBackup', backup: backupRef(call.args[0]) });
  call.output.answer(manifestText(manifest), manifest);
  return EXIT.done;
}

function manifestText(manifest: ShownBackup): string {
  const { system, backupId, kind, site, momentAt, sealedAt, sequence, openedBy, warnings, counts, parents } = manifest;
  const facts = [
    ['backup', `${system}/${backupId}`],
    ['kind', kind],
    ['site', site],
    ['moment', timeText(momentAt)],
    ['sealed', `${timeText(sealedAt)}, number ${sequence}`],
    ['opened by', openedBy.map(({ name }) => name).join(', ')],
    ...(parents.length > 0 ? [['needs', parents.join(', ')]] : []),
    ...Object.entries(manifest.source).map(([name, value]) => [`source ${name}`, textOf(value)]),
    ...Object.entries(counts).map(([name, count]) => [name, String(count)]),
  ];
  const width = Math.max(...facts.map(([name = '']) => name.length));
  const lines = facts.map(([name = '', value = '']) => `${visible(name).padEnd(width)}  ${visible(value)}`);
  return blocks(lines.join('\n'), artifactTable(manifest), warnings.map((line) => `! ${visible(line)}`).join('\n'));
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const artifactTable = ({ artifacts }: Manifest): string =>
  table(
    [
      { title: 'ARTIFACT', value: ({ name }) => name },
      { title: 'ROLE', value: ({ role }) => role },
      { title: 'OF', value: ({ subject }) => subject ?? '' },
      { title: 'SIZE', value: ({ plainBytes }) => formatBytes(plainBytes), right: true },
      { title: 'STORED', value: ({ storedBytes }) => formatBytes(storedBytes), right: true },
      { title: 'SHA-256', value: ({ plainSha256 }) => plainSha256.slice(0, 16) },
    ],
    artifacts,
  );

async function diff(call: Call): Promise<number> {
  const [from, to] = call.args.map(backupRef);
  if (!from || !to) throw new Failure('USAGE', 'two backups are compared: name both');
  const difference = await askQuestion<unknown>(call, { kind: 'diffBackups', from, to });
  call.output.answer(differenceText(difference), difference);
  return EXIT.done;
}

function differenceText(difference: unknown): string {
  const text = (difference as { readonly text?: unknown } | null)?.text;
  return typeof text === 'string' ? text.split('\n').map(visible).join('\n') : JSON.stringify(difference, null, 2);
}

async function change(call: Call, hold: boolean): Promise<number> {
  const backup = backupRef(call.args[0]);
  const reason = call.options.text('reason')?.trim();
  if (!reason) throw new Failure('USAGE', "a reason is needed: give --reason '…'; it is kept in the audit log");
  const { changeHold } = await import('../temporal/change-hold.ts');
  const findings = await changeHold(call, { backup, hold, reason });
  const bad = findings.filter(({ level }: Finding) => level !== 'ok');
  const words = `${backup.system}/${backup.backupId} is ${hold ? 'held' : 'released'}`;
  call.output.answer(bad.length === 0 ? words : `${words}, with ${counted(bad.length, 'finding')}`, {
    backup,
    hold,
    findings,
  });
  return bad.length === 0 ? EXIT.done : EXIT.warnings;
}
