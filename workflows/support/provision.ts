// What the new site stands on, made by Terraform. When stores are among it they have to be made before anything can be
// planned over them, and a person agrees to that alone; else it is a part of the failover's plan like everything else.
import { counted } from '../../domain/quantities.ts';
import {
  makesStores,
  requireStores,
  shownAddress,
  type TerraformApplied,
  type TerraformPlan,
  terraformLines,
} from '../../domain/terraform.ts';
import type { TakeoverInput } from '../messages.ts';
import { terraform } from './activities.ts';
import { decided, refuse } from './decisions.ts';
import type { StepSpec, Story } from './story.ts';
import { thisExecution } from './this-run.ts';

interface Provisioning {
  readonly story: Story;
  readonly wish: TakeoverInput;
  readonly isLive: boolean;
}

/**
 * What Terraform has to change at the new site, once its stores stand; null where no Terraform is configured.
 * @throws SITE_UNPROVISIONED when the stores do not stand and this run may not make them.
 */
export async function planProvision({ story, wish, isLive }: Provisioning): Promise<TerraformPlan | null> {
  const { site, provisions } = wish;
  if (!provisions) return null;
  const plan = await planChanges(story, site);
  if (!isLive) {
    await terraform('remove the plan').discardPlan({ site, run: thisExecution() });
    decided(() => requireStores(plan));
    return plan;
  }
  if (!makesStores(plan)) return plan;
  await makeStores(story, plan);
  const rest = await planChanges(story, site);
  decided(() => requireStores(rest));
  return rest;
}

/** Carries out what the agreed plan says of Terraform. What it makes stays, whatever becomes of the failover. */
export async function provision(story: Story, plan: TerraformPlan | null): Promise<void> {
  if (plan === null || plan.changes.length === 0) return;
  story.enter('preparing');
  const safeToLeave = 'the epoch is taken; nothing is fenced and nothing restored';
  const spec = { id: 'prepare', title: `Prepare '${plan.site}' by Terraform`, safeToLeave };
  await story.require(spec, (input) => applying(plan, input), appliedLine);
}

function planChanges(story: Story, site: string): Promise<TerraformPlan> {
  const place = { site, run: thisExecution() };
  const spec: StepSpec = {
    ...{ id: 'terraform', title: `Plan what '${site}' stands on`, safeToLeave: 'nothing was touched yet' },
    undo: () => terraform('remove the plan').discardPlan(place),
  };
  return story.require(
    spec,
    async (input) => {
      await giveUpLock(site, input);
      return terraform(`plan Terraform of ${site}`).planChanges(place);
    },
    (plan) => terraformLines(plan)[0] ?? '',
  );
}

// Nothing is signed here: creating servers loses nothing, and what is done to data is agreed to afterwards.
async function makeStores(story: Story, plan: TerraformPlan): Promise<void> {
  let isAgreed = false;
  const spec = {
    id: 'provision',
    title: `Make what '${plan.site}' stands on`,
    safeToLeave: 'nothing was touched yet; what is lost grows while nobody decides',
  };
  await story.require(
    spec,
    async (input) => {
      isAgreed ||= input.plan === wordFor(plan);
      if (!isAgreed) throw asking(plan);
      return applying(plan, input);
    },
    appliedLine,
  );
}

/** What a person types to agree: enough of the digest to mean this plan and no other. */
const wordFor = ({ digest }: TerraformPlan): string => digest.slice(0, 12);

function asking(plan: TerraformPlan): Error {
  const what = [`site '${plan.site}' does not stand yet`, ...terraformLines(plan)].join('\n');
  return refuse('SITE_UNPROVISIONED', what, { digest: wordFor(plan) });
}

async function applying(
  { site, digest }: TerraformPlan,
  input: Readonly<Record<string, string>>,
): Promise<TerraformApplied> {
  await giveUpLock(site, input);
  return terraform(`apply Terraform at ${site}`).applyPlan({ site, run: thisExecution(), digest });
}

// A lock is taken away only when a person has named it with the retry of the step that met it.
async function giveUpLock(site: string, { unlock: lock }: Readonly<Record<string, string>>): Promise<void> {
  if (lock === undefined) return;
  await terraform(`take away lock ${shownAddress(lock)}`).unlock({ site, run: thisExecution(), lock });
}

function appliedLine({ done, outputs }: TerraformApplied): string {
  const told = Object.entries(outputs).map(([name, value]) => `${name} = ${shownAddress(value)}`);
  return [`${counted(done, 'change')} made and kept`, ...told].join('; ').slice(0, 1000);
}
