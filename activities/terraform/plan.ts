// Making a plan and showing it as it will be applied.
import { join } from 'node:path';
import type { TerraformConfiguration } from '../../domain/configuration/schema.ts';
import type { TerraformInput } from '../../domain/contracts/terraform.ts';
import {
  readTerraformPlan,
  requireNothingLost,
  type ShownTerraformPlan,
  type TerraformPlan,
} from '../../domain/terraform.ts';
import { type TerraformCall, withTerraform } from './call.ts';
import { sendKeptState } from './kept-state.ts';
import type { Workspace } from './workspace.ts';

/** A new plan of the site. Its file stays when it changes something; whatever else happens, nothing of it stays. */
export async function planSite(
  settings: TerraformConfiguration,
  { site }: TerraformInput,
  workspace: Workspace,
): Promise<TerraformPlan> {
  await workspace.remove();
  let isKept = false;
  try {
    await workspace.make();
    const plan = await withCallIn(workspace, settings, async (call) => {
      await sendKeptState(call, settings);
      const digest = await writePlan(call, settings, workspace);
      const shown = await showPlan(call, workspace.planFile(digest));
      return { site, digest, ...readTerraformPlan(shown, settings.stateful) };
    });
    requireNothingLost(plan.changes);
    isKept = plan.changes.length > 0;
    return plan;
  } finally {
    if (!isKept) await workspace.remove();
  }
}

/** Gives `work` a call whose files lie in the workspace and are gone afterwards. */
export async function withCallIn<T>(
  workspace: Workspace,
  settings: TerraformConfiguration,
  work: (call: TerraformCall) => Promise<T>,
): Promise<T> {
  try {
    return await withTerraform(settings, workspace.callFolder, work);
  } finally {
    await workspace.endCall();
  }
}

/** Makes a plan with the configured variables. @returns its digest, under which it lies. */
export async function writePlan(
  call: TerraformCall,
  { variableFiles }: TerraformConfiguration,
  workspace: Workspace,
): Promise<string> {
  const file = join(call.files.folder, 'new.tfplan');
  const variables = [...variableFiles, call.files.variables].map((path) => `-var-file=${path}`);
  await call.run(['plan', '-input=false', '-no-color', '-json', `-out=${file}`, ...variables]);
  return workspace.keepPlan(file);
}

/** What a plan file would do. */
export async function showPlan(call: TerraformCall, file: string): Promise<ShownTerraformPlan> {
  return JSON.parse(await call.run(['show', '-no-color', '-json', file])) as ShownTerraformPlan;
}
