// Letting another site become the active one: what `dr failover` and `dr failback` share.
import { randomUUID } from 'node:crypto';
import { kindsToTake, systemsOf } from '../domain/configuration/protection.ts';
import { EXIT, Failure } from '../domain/failures.ts';
import { refText } from '../domain/repository-layout.ts';
import { failoverPlanWorkflowId, failoverWorkflowId } from '../domain/run-names.ts';
import { type HandOverInput, type HandOverResult, siteQueue, type TakeoverInput } from '../workflows/messages.ts';
import type { Call, CallOptions, OptionSpec } from './command.ts';
import { accountText, objectivesOf } from './output/account.ts';
import { visible } from './output/human.ts';
import { blocks, exitOf, restoredText } from './output/report.ts';
import { systemsNamed, wishOf } from './recovery-wish.ts';
import { planText } from './temporal/decide.ts';
import { conclude, follow } from './temporal/follow.ts';
import { type Platform, runContext } from './temporal/platform.ts';
import { startRun } from './temporal/start.ts';

export const TO: OptionSpec = { flags: '--to <site>', description: 'the site that takes over' };
export const TAKEOVER_EXITS = [
  'warnings',
  'refused',
  'locked',
  'notFound',
  'noTemporal',
  'cannotDecrypt',
  'toolMissing',
] as const;

/** What every takeover is told. @throws {Failure} USAGE. */
export function takeoverInput(
  { args, options }: Call,
  platform: Platform,
  site: string,
  dryRun: boolean,
): TakeoverInput {
  const { configuration } = platform;
  const protect = systemsOf(configuration, site).map((system) => ({
    system,
    kinds: kindsToTake(configuration, site, system),
  }));
  return {
    ...runContext(platform),
    site,
    systems: systemsNamed(args, configuration, site),
    options: wishOf(options, configuration).options,
    dryRun,
    movesNames: configuration.dns !== undefined,
    provisions: configuration.sites[site]?.terraform !== undefined,
    protect: protect.filter(({ kinds }) => kinds.length > 0),
  };
}

/**
 * The id of the run, which is the lock that lets one platform have one failover at a time. A plan is refused while one goes
 * on, and keeps none waiting.
 */
export function takeoverName({ platform, dryRun }: Pick<TakeoverInput, 'platform' | 'dryRun'>) {
  const lock = failoverWorkflowId(platform);
  return dryRun ? { id: failoverPlanWorkflowId(platform, randomUUID()), notBeside: lock } : { id: lock };
}

/** The site that takes over. @throws {Failure} USAGE. */
export function requireSite(word: string | undefined, sites: readonly string[]): string {
  if (word === undefined) throw new Failure('USAGE', `which site takes over? --to one of ${sites.join(', ')}`);
  if (!sites.includes(word))
    throw new Failure('USAGE', `no site is called '${visible(word)}': known: ${sites.join(', ')}`);
  return word;
}

/** A handover of a living site, and how it is told. */
export interface HandoverWish {
  readonly workflow: 'failOverPlanned' | 'failBack';
  readonly site: string;
  readonly dryRun: boolean;
  /** For the Web UI: `Planned failover`. */
  readonly what: string;
  /** What carries the plan out, without the words that were given: `dr failback run`. */
  readonly command: string;
}

/** Starts a handover and follows it to its end. The worker of every site has to be there. */
export async function handOver(call: Call, platform: Platform, wish: HandoverWish): Promise<number> {
  const { kinds, at, unproven } = wishOf(call.options, platform.configuration);
  if (at !== null || unproven)
    throw new Failure('USAGE', 'a planned failover takes its own backups: --at and --unproven choose none');
  const input: HandOverInput = { ...takeoverInput(call, platform, wish.site, wish.dryRun), kinds };
  const started = await startRun(platform.temporal, {
    workflow: wish.workflow,
    ...takeoverName(input),
    input,
    summary: `${wish.dryRun ? 'Plan of a: ' : ''}${wish.what} of ${input.platform} to ${wish.site}`,
    queues: Object.keys(platform.configuration.sites).map(siteQueue),
  });
  const followed = await follow<HandOverResult>(platform.temporal, started, call.output, { platform: input.platform });
  return conclude(call.output, followed, (result) => told(call, platform, wish, result));
}

function told(call: Call, platform: Platform, { dryRun, command }: HandoverWish, result: HandOverResult): number {
  const { output } = call;
  const { plan, finalBackups, loss } = result;
  if (dryRun) {
    const next = visible(commandWith(call, command));
    output.answer(blocks(planText(plan), `nothing was changed\nNEXT: ${next}`), result);
    return EXIT.done;
  }
  const restored = `restored from: ${finalBackups.map(refText).join(', ')}`;
  output.answer(
    blocks(
      restoredText(result, output),
      [...loss, restored].map(visible).join('\n'),
      recordText(platform, result.record),
      servesNow(platform, plan),
    ),
    result,
  );
  return exitOf(result.report.outcome, result.findings);
}

/** What it took and lost against the objectives; empty where the ledger took no record. */
export const recordText = (
  { configuration }: Pick<Platform, 'configuration'>,
  record: HandOverResult['record'],
): string => (record === null ? '' : accountText(record, objectivesOf(configuration)));

/** What is the operator's to do once another site serves. */
export function servesNow({ configuration }: Pick<Platform, 'configuration'>, { to, epoch }: ServingPlan): string {
  const next = `set activeSite of '${configuration.platform}' to ${to}, restart the workers, then 'dr schedule apply'`;
  return `site '${to}' serves now (epoch ${epoch.next})\nNEXT: ${next}`;
}

interface ServingPlan {
  readonly to: string;
  readonly epoch: { readonly next: number };
}

const OPTIONS = ['to', 'at', 'maxSpread', 'kind', 'option', 'config'] as const;

/** A command with the words that `plan` was given: other words would be another plan. */
export function commandWith({ args, options }: Call, command: string): string {
  const named = OPTIONS.flatMap((name) =>
    valuesOf(options, name).flatMap((value) => [flagOf(name), quotedWord(value)]),
  );
  return [command, ...args, ...named, ...(options.flag('unproven') ? ['--unproven'] : [])].join(' ');
}

const flagOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function valuesOf(options: CallOptions, name: string): readonly string[] {
  const one = options.text(name);
  return one === undefined ? options.list(name) : [one];
}

const quotedWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
