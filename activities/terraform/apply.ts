// Applying exactly the plan that was shown. When an attempt has stopped on the way, the rest of that plan and nothing else.
import type { TerraformConfiguration } from '../../domain/configuration/schema.ts';
import type { ApplyTerraformInput } from '../../domain/contracts/terraform.ts';
import { Failure } from '../../domain/failures.ts';
import { readTerraformPlan, requireRest, type TerraformApplied } from '../../domain/terraform.ts';
import { reportProgress } from '../shared/activity-context.ts';
import type { TerraformCall } from './call.ts';
import { sendKeptState } from './kept-state.ts';
import { showPlan, withCallIn, writePlan } from './plan.ts';
import type { Workspace } from './workspace.ts';

export async function applySite(
  settings: TerraformConfiguration,
  { site, digest }: ApplyTerraformInput,
  workspace: Workspace,
): Promise<TerraformApplied> {
  const before = await workspace.done(digest);
  if (before !== null) return before;
  const file = await workspace.requirePlan(digest);
  return withCallIn(workspace, settings, async (call) => {
    await sendKeptState(call, settings);
    const done = await applyAll(call, settings, { workspace, digest, file });
    const applied = { site, digest, done, outputs: await readOutputs(call) };
    await workspace.finish(applied);
    return applied;
  });
}

interface Agreed {
  readonly workspace: Workspace;
  readonly digest: string;
  readonly file: string;
}

async function applyAll(call: TerraformCall, settings: TerraformConfiguration, agreed: Agreed): Promise<number> {
  try {
    return await applyFile(call, settings, agreed);
  } catch (error) {
    const isStale = error instanceof Failure && error.code === 'PLAN_CHANGED';
    if (!isStale || !(await agreed.workspace.hasBegun(agreed.digest))) throw error;
  }
  // The state was changed by this very plan: what is left of it is planned again and held against it.
  const rest = await writePlan(call, settings, agreed.workspace);
  const file = agreed.workspace.planFile(rest);
  requireRest(await showPlan(call, agreed.file), await showPlan(call, file));
  return applyFile(call, settings, { ...agreed, file });
}

async function applyFile(
  call: TerraformCall,
  { stateful }: TerraformConfiguration,
  { workspace, digest, file }: Agreed,
): Promise<number> {
  const total = readTerraformPlan(await showPlan(call, file), stateful).changes.length;
  const done = new Set<string>();
  let hasBegun = false;
  const tell = () =>
    reportProgress({ what: `${done.size} of ${total} resources`, doneBytes: 0, totalBytes: null, bytesPerSecond: 0 });
  tell();
  await call.run(['apply', '-input=false', '-no-color', '-json', file], async ({ type, hook }) => {
    if (type === 'apply_start' && !hasBegun) await workspace.begin(digest);
    hasBegun ||= type === 'apply_start';
    // A replacement is told twice, under one address.
    if (type === 'apply_complete') done.add(hook?.resource?.addr ?? '');
    tell();
  });
  return done.size;
}

/** The outputs that may be told. */
async function readOutputs(call: TerraformCall): Promise<Record<string, string>> {
  const outputs = JSON.parse(await call.run(['output', '-no-color', '-json'])) as Record<string, ShownOutput>;
  const open = Object.entries(outputs).filter(([, { sensitive }]) => !sensitive);
  return Object.fromEntries(open.map(([name, { value }]) => [name, textOf(value)]));
}

interface ShownOutput {
  readonly sensitive: boolean;
  readonly value: unknown;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
