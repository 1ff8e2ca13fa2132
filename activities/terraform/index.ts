// Terraform at the witness: the activities `terraform.<verb>`.
import type { Configuration, TerraformConfiguration } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { TerraformActivities, TerraformInput } from '../../domain/contracts/terraform.ts';
import { Failure } from '../../domain/failures.ts';
import { terraformLines } from '../../domain/terraform.ts';
import { applySite } from './apply.ts';
import { planSite, withCallIn } from './plan.ts';
import { findTerraform } from './program.ts';
import { Workspace } from './workspace.ts';

export interface TerraformOptions extends Pick<Configuration, 'sites'> {
  readonly witness: Pick<Configuration['witness'], 'directory'>;
}

export function createTerraform({ sites, witness }: TerraformOptions): TerraformActivities {
  const settingsOf = (site: string): TerraformConfiguration => {
    const settings = sites[site]?.terraform;
    if (settings === undefined) throw new Failure('USAGE', `site '${site}' has no terraform in the configuration`);
    return settings;
  };
  const workspaceOf = (input: TerraformInput) => new Workspace(witness.directory, input);
  return {
    /**
     * Does: plans into a file, reads it back, and refuses what would not keep data.
     * Repeat: plans anew; the file before goes.
     * Undo: `discardPlan`. Nothing but a lock for the moment is changed.
     */
    planChanges: (input) => planSite(settingsOf(input.site), input, workspaceOf(input)),

    /**
     * Does: applies that plan file as it is; heartbeats tell how many resources are done.
     * Repeat: finds a finished apply and answers as it did; finds one that stopped and applies the rest of the same plan.
     * Undo: none: what was made is kept, and the state says what it is.
     */
    applyPlan: (input) => applySite(settingsOf(input.site), input, workspaceOf(input)),

    /**
     * Does: removes the run's plan and what was noted of it.
     * Repeat: finds nothing.
     * Undo: none needed: a plan can be made again.
     */
    discardPlan: (input) => workspaceOf(input).remove(),

    /**
     * Does: takes away the one lock that a person has named.
     * Repeat: fails, for that lock is gone: Terraform says so.
     * Undo: none: whoever held it is dead, by that person's word.
     */
    unlock: async ({ lock, ...input }) => {
      if (!/^[0-9A-Za-z][0-9A-Za-z-]{0,63}$/.test(lock))
        throw new Failure('USAGE', 'the id of a lock is letters, digits and -');
      const workspace = workspaceOf(input);
      await workspace.make();
      await withCallIn(workspace, settingsOf(input.site), (call) => call.run(['force-unlock', '-force', lock]));
    },

    /**
     * Does: plans in a place of its own and keeps nothing.
     * Repeat: looks again.
     * Undo: none needed: nothing but a lock for the moment is changed.
     */
    look: (input) => lookAt(settingsOf(input.site), input, workspaceOf(input)),
  };
}

async function lookAt(
  settings: TerraformConfiguration,
  input: TerraformInput,
  workspace: Workspace,
): Promise<readonly Finding[]> {
  const { command, version } = await findTerraform(settings.program);
  const program = ok('program', `${command} ${version}`);
  try {
    const plan = await planSite(settings, input, workspace);
    const state = ok('state and providers', 'the state can be read and locked; every provider is on this machine');
    const [first = '', ...lines] = terraformLines(plan);
    if (plan.changes.length === 0) return [program, state, ok('changes', first)];
    const message = `a failover makes them first: ${[first, ...lines].join('; ')}`;
    return [program, state, { level: 'warning', subject: 'changes', message, code: null }];
  } finally {
    await workspace.remove();
  }
}

const ok = (subject: string, message: string): Finding => ({ level: 'ok', subject, message, code: null });
