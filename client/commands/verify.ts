// dr verify
import { systemsOf } from '../../domain/configuration/protection.ts';
import { durationMs } from '../../domain/configuration/schema.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import {
  siteQueue,
  type VerifiedBackup,
  type VerifyBackupsInput,
  type VerifyBackupsResult,
} from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import type { Loaded } from '../configuration-file.ts';
import { table } from '../output/human.ts';
import { blocks, exitOf, findingsText, reportLine } from '../output/report.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { runContext, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';
import { requireSystem } from './backup.ts';
import { backupRef } from './backups.ts';

const DEPTHS = ['presence', 'stored', 'proof'] as const;

export const spec: CommandSpec = {
  name: 'verify',
  summary: 'prove that backups are there, whole, young enough and restorable',
  args: '[system...]',
  options: [
    { flags: '--all', description: 'every stored backup, not only the newest of each kind' },
    { flags: '--backup <system/id>', description: 'one backup' },
    {
      flags: '--depth <depth>',
      description: 'presence: age and existence; stored: also every byte; proof: also a restore into scratch',
      choices: DEPTHS,
      default: 'proof',
    },
  ],
  examples: [
    ['dr verify', 'prove the newest backup of every system and kind'],
    ['dr verify redis --depth stored', 'read one system without restoring it'],
    ['dr verify --all --depth stored', 'read everything that is stored'],
    ['dr verify --json', 'the report for a program'],
  ],
  exits: ['warnings', 'locked', 'noTemporal', 'objectiveMissed', 'verificationFailed', 'cannotDecrypt', 'detached'],
  notes: 'What could not be verified counts as failed. Ctrl-C detaches: the run goes on.',
  run,
};

function run(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const input = verifyInput(call, platform);
    const started = await startRun(platform.temporal, {
      workflow: 'verifyBackups',
      id: `verify/${input.platform}`,
      input,
      summary: `Verification (${input.depth}) of ${input.systems.join(', ')}`,
      queues: [siteQueue(platform.site)],
    });
    const options = { platform: input.platform };
    const followed = await follow<VerifyBackupsResult>(platform.temporal, started, call.output, options);
    return conclude(call.output, followed, (result) => told(call, result));
  });
}

function verifyInput(call: Call, platform: Loaded): VerifyBackupsInput {
  const present = systemsOf(platform.configuration, platform.site);
  const word = call.options.text('backup');
  const backup = word === undefined ? null : backupRef(word);
  const named = [...call.args.map((name) => requireSystem(name, present)), ...(backup ? [backup.system] : [])];
  if (backup && call.options.flag('all')) throw new Failure('USAGE', 'give --all or --backup, not both');
  const depth = DEPTHS.find((known) => known === call.options.text('depth')) ?? 'proof';
  const systems = named.length === 0 ? present : [...new Set(named)];
  return { ...verifyDefaults(platform), systems, depth, backup, all: call.options.flag('all') };
}

/** What schedules and people verify unless they say otherwise: everything of the site, against its objectives. */
export function verifyDefaults(platform: Loaded): VerifyBackupsInput {
  const { configuration, site } = platform;
  const systems = systemsOf(configuration, site);
  const ages = systems.map((system) => [system, durationMs(configuration.objectives[system].rpo) / 1000]);
  const maximumAgeSeconds = Object.fromEntries(ages) as VerifyBackupsInput['maximumAgeSeconds'];
  const proofLimitSeconds = durationMs(configuration.repository.proofLimit) / 1000;
  const limits = { maximumAgeSeconds, proofLimitSeconds };
  return { ...runContext(platform), systems, ...limits, depth: 'proof', backup: null, all: false };
}

function told({ output }: Call, result: VerifyBackupsResult): number {
  const { backups, findings, report, verdict } = result;
  const all = [...findings, ...backups.flatMap((one) => one.findings)];
  output.answer(blocks(verdictTable(backups), findingsText(all, output), `${verdict}: ${reportLine(report)}`), result);
  return verdict === 'failed' ? EXIT.verificationFailed : exitOf(report.outcome, all);
}

/** One line a backup: its verdict and how much was checked. */
export function verdictTable(backups: readonly VerifiedBackup[]): string {
  if (backups.length === 0) return '';
  return table<VerifiedBackup>(
    [
      { title: 'BACKUP', value: ({ backup }) => `${backup.system}/${backup.backupId}` },
      { title: 'KIND', value: ({ kind }) => kind },
      { title: 'VERDICT', value: ({ verdict }) => verdict },
      { title: 'CHECKS', value: ({ findings }) => String(findings.length), right: true },
      {
        title: 'NOT WELL',
        value: ({ findings }) => String(findings.filter(({ level }) => level !== 'ok').length),
        right: true,
      },
    ],
    backups,
  );
}
