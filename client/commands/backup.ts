// dr backup [SYSTEM…|--all]
import { kindsToTake, systemsOf } from '../../domain/configuration/protection.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import { platformBackUpWorkflowId } from '../../domain/run-names.ts';
import { isSystemName, kindOf, SYSTEM_NAMES, SYSTEMS, type SystemName } from '../../domain/systems.ts';
import { type BackUpPlatformInput, type BackUpPlatformResult, siteQueue } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import type { Loaded } from '../configuration-file.ts';
import { visibleLines } from '../output/human.ts';
import { backupTable, backupWarnings, blocks, exitOf, findingsText, reportLine } from '../output/report.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { runContext, withPlatform } from '../temporal/platform.ts';
import { startRun } from '../temporal/start.ts';

export const spec: CommandSpec = {
  name: 'backup',
  summary: 'take backups now: of the systems that are named, or of all',
  args: '[system...]',
  options: [
    { flags: '--all', description: 'every system of the site' },
    {
      flags: '--kind <kind>',
      description: 'kind of backup (may be repeated; default: those of the schedule)',
      repeatable: true,
    },
    { flags: '--retention', description: 'apply retention afterwards' },
    { flags: '--detach', description: 'start it and do not wait' },
  ],
  examples: [
    ['dr backup --all', 'back up every system'],
    ['dr backup postgres redis', 'two systems'],
    ['dr backup postgres --kind logical', 'one kind only'],
    ['dr backup --all --json', 'for a program'],
  ],
  exits: ['warnings', 'locked', 'noTemporal', 'toolMissing', 'detached'],
  notes: 'Ctrl-C detaches: the run goes on.',
  run,
};

function run(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const systems = chosen(call, platform);
    const context = runContext(platform);
    const input: BackUpPlatformInput = { ...context, systems, applyRetention: call.options.flag('retention') };
    const started = await startRun(platform.temporal, {
      workflow: 'backUpPlatform',
      id: runName(context.platform, systems),
      input,
      summary: `Backup of ${systems.map(({ system }) => system).join(', ')}`,
      queues: [siteQueue(platform.site)],
    });
    if (call.options.flag('detach')) {
      call.output.answer(`${started.id} started\n${started.link}`, { run: started });
      return EXIT.done;
    }
    const options = { platform: context.platform };
    const followed = await follow<BackUpPlatformResult>(platform.temporal, started, call.output, options);
    return conclude(call.output, followed, (result) => told(call, result));
  });
}

// One system's own id lets runs of different systems go side by side; each kind is a lock of its own below them.
function runName(platform: string, systems: BackUpPlatformInput['systems']): string {
  const [first, second] = systems;
  const whole = platformBackUpWorkflowId(platform);
  return first && !second ? `${whole}/${first.system}` : whole;
}

function told({ output }: Call, result: BackUpPlatformResult): number {
  const { backups, failed, findings, report } = result;
  const reasons = failed.map(({ system, kind, message }) => `${SYSTEMS[system].title} (${kind}): ${message}`);
  const text = blocks(
    backups.length === 0 ? '' : backupTable(backups),
    backupWarnings(backups),
    // A single reason is told by the failure itself.
    ...(failed.length + backups.length === 1 ? [] : reasons).map(visibleLines),
    findingsText(findings, output),
    reportLine(report),
  );
  output.answer(text, result);
  const code = exitOf(report.outcome, findings);
  return code === EXIT.done && backups.some(({ warnings }) => warnings.length > 0) ? EXIT.warnings : code;
}

function chosen(call: Call, { configuration, site }: Loaded): BackUpPlatformInput['systems'] {
  const present = systemsOf(configuration, site);
  const named = call.args.map((word) => requireSystem(word, present));
  if (named.length === 0 && !call.options.flag('all')) {
    throw new Failure('USAGE', `which systems? name some of ${present.join(', ')}, or give --all`);
  }
  const wanted = call.options.list('kind');
  const all = [...new Set(named.length === 0 ? present : named)].map((system) => {
    const usable = kindsToTake(configuration, site, system);
    return {
      system,
      kinds: wanted.length === 0 ? usable : wanted.filter((kind) => kindOf(system, kind) !== undefined),
    };
  });
  requireKnownKinds(
    wanted,
    all.map(({ system }) => system),
  );
  return all.filter(({ kinds }) => kinds.length > 0);
}

/** The system that `word` names at this site. @throws {Failure} USAGE. */
export function requireSystem(word: string | undefined, present: readonly SystemName[]): SystemName {
  if (word === undefined) throw new Failure('USAGE', `which system? name one of ${present.join(', ')}`);
  if (!isSystemName(word))
    throw new Failure('USAGE', `'${word}' is not a system: known are ${SYSTEM_NAMES.join(', ')}`);
  if (!present.includes(word)) throw new Failure('USAGE', `this site has no ${word} in the configuration`);
  return word;
}

function requireKnownKinds(kinds: readonly string[], systems: readonly SystemName[]): void {
  const known = systems.flatMap((system) => SYSTEMS[system].kinds.map(({ kind }) => kind));
  const unknown = kinds.find((kind) => !known.includes(kind));
  if (unknown === undefined) return;
  const names = [...new Set(known)].join(', ');
  throw new Failure('USAGE', `no kind '${unknown}' of ${systems.join(', ')}: known are ${names}`);
}
