// The parts that every way of making another site the active one begins and ends with.
import { executeChild } from '@temporalio/workflow';
import type { DnsState } from '../../domain/contracts/dns.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { Epoch } from '../../domain/epoch.ts';
import { requireOtherSite, type TakeoverFacts, type TakeoverPlan } from '../../domain/failover.ts';
import type { AccountedPlan, FailoverRecord } from '../../domain/failover-record.ts';
import type { MarkerLosses } from '../../domain/markers.ts';
import type { RecoverySet } from '../../domain/recovery.ts';
import { platformBackUpWorkflowId } from '../../domain/run-names.ts';
import type { TerraformPlan } from '../../domain/terraform.ts';
import type { backUpPlatform } from '../back-up-platform.ts';
import {
  type BackUpPlatformInput,
  type BackUpPlatformResult,
  CONTROL_QUEUE,
  SEARCH_ATTRIBUTES,
  type TakeoverInput,
} from '../messages.ts';
import { account } from './accounting.ts';
import { failover } from './activities.ts';
import { failedFinding } from './closing.ts';
import { decided } from './decisions.ts';
import { planProvision } from './provision.ts';
import { choose, type Identities, lookAt, type RecoveryRun } from './recovery-work.ts';
import type { Story } from './story.ts';
import { thisExecution } from './this-run.ts';
import { longestTtl, lookBack, readNames } from './traffic.ts';

/** The epoch that holds. @throws SITE_ACTIVE when the site that is to take over has it. */
export function lookAtEpoch(story: Story, { site }: TakeoverInput): Promise<Epoch> {
  return story.require(
    { id: 'look', title: 'Read which site is the active one', failsAtOnce: true },
    async () => {
      const found = await failover('read the epoch').readEpoch({});
      decided(() => requireOtherSite(found, site));
      return found;
    },
    ({ number, site: active }) => `'${active}', epoch ${number}`,
  );
}

/** A run that makes another site the active one. */
interface TakeoverRun extends RecoveryRun {
  readonly wish: TakeoverInput;
}

/** What a takeover is planned over. */
export interface Surroundings {
  readonly set: RecoverySet;
  /** The tier that told the set when not all answer. */
  readonly tier: string | null;
  readonly identities: Identities;
  /** The public names as they are now; null where none are configured. */
  readonly names: DnsState | null;
  /** What Terraform does to the new site before it is restored; null where none is configured. */
  readonly ground: TerraformPlan | null;
}

/** Looks at everything that a plan rests on, and has the stores of the new site made where they do not stand yet. */
export async function lookAround(run: TakeoverRun): Promise<Surroundings> {
  const { story, wish } = run;
  const { set, tier } = await choose(run);
  const ground = await planProvision(run);
  const identities = await survey(story, wish);
  const names = wish.movesNames ? await readNames(story) : null;
  return { set, tier, identities, names, ground };
}

/** What every plan of a takeover is made from, but the restores. */
export async function takeoverFacts(
  { platform, site: to }: TakeoverInput,
  epoch: Epoch,
  { set, names, ground }: Surroundings,
): Promise<Omit<TakeoverFacts, 'plans'>> {
  const [needed, fence] = await Promise.all([
    failover('who approves').approvalsNeeded({}),
    failover('plan the fence').planFence({ site: epoch.site }),
  ]);
  return { platform, to, epoch, set, names, ground, fence, approvals: needed.count, people: needed.people };
}

// The backups came from the old site's stores. What they may replace is what stands at the new one now, and nothing else.
async function survey(story: Story, { site, systems }: TakeoverInput): Promise<Identities> {
  const spec = { id: 'survey', title: `Look at the stores of '${site}'`, failsAtOnce: true };
  const found = await story.require(spec, () => lookAt(site, systems));
  return Object.fromEntries(systems.map((name, index) => [name, found[index]?.identity]));
}

/** Takes the next epoch. That changes nothing at a site; it is never deleted: its undo is the number after it. */
export async function lock(story: Story, wish: TakeoverInput, plan: TakeoverPlan): Promise<void> {
  const { epoch, from, to, action: intent } = plan;
  story.enter('locked');
  const by = { run: thisExecution(), person: wish.requestedBy };
  const spec = {
    id: 'lock',
    title: `Take epoch ${epoch.next} for '${to}'`,
    failsAtOnce: true,
    undo: () => giveBack(by),
  };
  await story.require(spec, () => failover('take the epoch').takeEpoch({ ...by, after: epoch.now, from, to, intent }));
}

// Asks first: the answer to the taking may have been lost, and a second undo finds the first one's record.
async function giveBack(by: { readonly run: string; readonly person: string }): Promise<void> {
  const { number: after, record } = await failover('who holds the epoch').readEpoch({});
  if (record?.run !== by.run || record.intent === 'undo') return;
  await failover('give the epoch back').takeEpoch({
    ...by,
    ...{ after, from: record.to, to: record.from, intent: 'undo' },
  });
}

/** Backs up systems of one of the two sites, as a run of its own. @throws when one of them could not be. */
export function backUpSite(
  { platform, tiers, requestedBy }: TakeoverInput,
  site: string,
  systems: BackUpPlatformInput['systems'],
  summary: string,
): Promise<BackUpPlatformResult> {
  return executeChild<typeof backUpPlatform>('backUpPlatform', {
    workflowId: platformBackUpWorkflowId(platform),
    taskQueue: CONTROL_QUEUE,
    args: [{ platform, site, tiers, requestedBy, scheduled: true, systems, applyRetention: false }],
    parentClosePolicy: 'REQUEST_CANCEL',
    staticSummary: summary,
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.platform, value: platform },
      { key: SEARCH_ATTRIBUTES.site, value: site },
    ],
  });
}

/** What follows the opening of a site: the account, a look at the old addresses, the first backup. */
export interface Aftermath {
  readonly record: FailoverRecord | null;
  readonly findings: readonly Finding[];
}

/** Of a plan that was not carried out. */
export const UNOPENED: Aftermath = { record: null, findings: [] };

export interface OpenedSite {
  readonly plan: AccountedPlan;
  readonly markers: MarkerLosses;
  readonly names: DnsState | null;
}

/** The new site serves already: what fails here is told, and takes nothing back. */
export async function afterOpening(
  story: Story,
  wish: TakeoverInput,
  { plan, markers, names }: OpenedSite,
): Promise<Aftermath> {
  const ttlSeconds = names === null ? null : longestTtl(names);
  const { record, findings } = await account(story, { platform: wish.platform, plan, markers, ttlSeconds });
  const late = wish.movesNames ? await lookBack(story, plan.from) : [];
  const protection = await protect(story, wish);
  return { record, findings: [...findings, ...late, ...protection] };
}

async function protect(story: Story, wish: TakeoverInput): Promise<readonly Finding[]> {
  if (wish.protect.length === 0) return [];
  story.enter('protecting');
  const { site } = wish;
  const spec = { id: 'protect', title: `Back up '${site}'`, failsAtOnce: true };
  const work = () => backUpSite(wish, site, wish.protect, `First backup of ${site} after the failover`);
  try {
    return (await story.require(spec, work)).findings;
  } catch (error) {
    return [failedFinding(`first backup of ${site}`, error)];
  }
}
