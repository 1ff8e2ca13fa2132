// dr restore SYSTEM
import { systemsOf } from '../../domain/configuration/protection.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import { restoreWorkflowId } from '../../domain/run-names.ts';
import { SYSTEMS } from '../../domain/systems.ts';
import { type RestoreSystemInput, type RestoreSystemResult, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import type { Loaded } from '../configuration-file.ts';
import { refuseWrongName } from '../confirm.ts';
import { visible } from '../output/human.ts';
import { blocks, exitOf, restoredText } from '../output/report.ts';
import { chosenOptions, chosenScope } from '../restore-scope.ts';
import { planText } from '../temporal/decide.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { runContext, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';
import { requireSystem } from './backup.ts';
import { backupRef } from './backups.ts';

export const spec: CommandSpec = {
  name: 'restore',
  summary: 'restore one system, or one part of it; shows the plan before anything is touched',
  args: '<system>',
  options: [
    { flags: '--backup <id>', description: 'ID or SYSTEM/ID (default: the newest that can restore what is asked for)' },
    { flags: '--kind <kind>', description: 'take the newest backup of this kind' },
    { flags: '--tier <name>', description: 'read from this tier' },
    { flags: '--test', description: 'into an isolated scratch target: validated, reported, removed' },
    { flags: '--dry-run', description: 'make and show the plan, then stop' },
    { flags: '--database <name>', description: 'one database; with --table, where it is; with --pattern, its number' },
    { flags: '--table <table>', description: 'one table: TABLE or SCHEMA.TABLE (needs --database)' },
    { flags: '--schema <schema>', description: 'schema of --table, when a name holds a dot' },
    { flags: '--pattern <glob>', description: 'the keys that match, for example session:*' },
    { flags: '--queue <name>', description: 'one queue' },
    { flags: '--vhost <name>', description: 'virtual host of --queue (default: /)' },
    { flags: '--file <path>', description: 'one file or folder' },
    { flags: '--option <name=value>', description: "the system's own choices (may be repeated)", repeatable: true },
    { flags: '--target <identity>', description: 'identity the target must have (default: that of the backup)' },
    { flags: '--confirm <platform>', description: "the platform's name, in place of typing it" },
  ],
  examples: [
    ['dr restore postgres --test', 'restore the newest backup into scratch and compare it'],
    ['dr restore postgres --database shop --table public.orders', 'one table, rows replaced in place'],
    ['dr restore redis --pattern "session:*"', 'some keys'],
    ['dr restore rabbitmq --queue work --dry-run', 'only show the plan'],
    ['dr restore config --file app/.env --confirm orders', 'in a script'],
  ],
  exits: [
    ...(['warnings', 'refused', 'locked', 'notFound', 'noTemporal', 'verificationFailed', 'cannotDecrypt'] as const),
    ...(['toolMissing', 'undone', 'stuck', 'detached'] as const),
  ],
  notes: `A restore into the live store shows its plan and wants the platform's name typed. When a step fails, the run waits
for a person (retry, skip, abort); aborting undoes what was done. Ctrl-C detaches: the run goes on.`,
  run,
};

function run(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const input = restoreInput(call, platform);
    const confirm = call.options.text('confirm');
    refuseWrongName(confirm, input.platform);
    const started = await startRun(platform.temporal, {
      workflow: 'restoreSystem',
      id: restoreWorkflowId(input.platform, input.system),
      input,
      summary: summaryOf(input),
      system: input.system,
      queues: [siteQueue(platform.site)],
    });
    const options = { platform: input.platform, confirm };
    const followed = await follow<RestoreSystemResult>(platform.temporal, started, call.output, options);
    return conclude(call.output, followed, (result) => told(call, input, result));
  });
}

function restoreInput(call: Call, platform: Loaded): RestoreSystemInput {
  const { options } = call;
  const system = requireSystem(call.args[0], systemsOf(platform.configuration, platform.site));
  const scope = chosenScope(system, options);
  const word = options.text('backup') ?? 'newest';
  const backup = word.includes('/') ? backupRef(word) : { system, backupId: word };
  if (backup.system !== system) throw new Failure('USAGE', `'${visible(word)}' is not a backup of ${system}`);
  const request = {
    backup,
    tier: options.text('tier') ?? null,
    scope,
    target: options.flag('test') ? ('scratch' as const) : ('live' as const),
    expectedIdentity: options.text('target') ?? null,
    options: chosenOptions(options),
  };
  return { ...runContext(platform), system, request, dryRun: options.flag('dryRun'), unattended: options.flag('test') };
}

function summaryOf({ system, request: { target, scope, backup } }: RestoreSystemInput): string {
  const names = Object.values(scope.names).join(' ');
  const what = scope.kind === 'whole' ? SYSTEMS[system].title : `${scope.kind} ${names} of ${SYSTEMS[system].title}`;
  return `${target === 'live' ? 'Restore' : 'Test restore'} of ${what} from ${backup.backupId}`;
}

function told({ output }: Call, { dryRun }: RestoreSystemInput, result: RestoreSystemResult): number {
  const text = dryRun ? blocks(planText(result.plan), 'nothing was changed') : restoredText(result, output);
  output.answer(text, result);
  return dryRun ? EXIT.done : exitOf(result.report.outcome, result.findings);
}
