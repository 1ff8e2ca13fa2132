// dr keys rotate: shows who gains and who loses, wants the platform's name, and follows the run.

import { tierNames } from '../../domain/configuration/protection.ts';
import { shortKeyId } from '../../domain/key-ids.ts';
import type { DomainRotation, RotationPlan } from '../../domain/key-rotation.ts';
import type { KeyHolder } from '../../domain/manifest.ts';
import { counted } from '../../domain/quantities.ts';
import type { RotateKeysInput, RotateKeysResult } from '../../workflows/messages.ts';
import type { Call } from '../command.ts';
import { confirmPlatform } from '../confirm.ts';
import { table } from '../output/human.ts';
import { blocks, exitOf, findingsText, reportLine } from '../output/report.ts';
import { conclude, follow } from './follow.ts';
import { runContext, withPlatform } from './platform.ts';
import { askQuestion } from './question.ts';
import { startRun } from './start.ts';

/** Rotates, or with `--dry-run` only shows what would change. @returns the exit code. */
export async function rotateKeys(call: Call): Promise<number> {
  const plan = await askQuestion<RotationPlan>(call, { kind: 'planKeyRotation' });
  if (call.options.flag('dryRun')) {
    call.output.answer(planText(plan), plan);
    return 0;
  }
  call.output.note(planText(plan));
  return withPlatform(call, async (platform) => {
    const input: RotateKeysInput = { ...runContext(platform), dryRun: false, digest: plan.digest };
    await confirmPlatform(call, input.platform, 'changing who can open the backups');
    const run = await startRun(platform.temporal, {
      workflow: 'rotateKeys',
      id: `keys/${input.platform}`,
      input,
      summary: `Key rotation of ${input.platform} in ${tierNames(platform.configuration).join(' + ')}`,
      queues: [],
    });
    const followed = await follow<RotateKeysResult>(platform.temporal, run, call.output, { platform: input.platform });
    return conclude(call.output, followed, (result) => told(call, result));
  });
}

const names = (holders: readonly KeyHolder[]): string =>
  holders.map(({ name, keyId }) => `${name} (${shortKeyId(keyId)})`).join(', ') || '-';

function planText({ domains, digest }: RotationPlan): string {
  const stale = domains.reduce((sum, one) => sum + one.stale, 0);
  const rows = table<DomainRotation>(
    [
      { title: 'DOMAIN', value: ({ domain }) => domain },
      { title: 'GAIN', value: ({ added }) => names(added) },
      { title: 'LOSE', value: ({ removed }) => names(removed) },
      { title: 'BACKUPS', value: ({ stale: some, backups }) => `${some} of ${backups}`, right: true },
    ],
    domains,
  );
  return blocks(rows, `${counted(stale, 'key')} would be wrapped again\nDigest: ${digest}`);
}

function told({ output }: Call, result: RotateKeysResult): number {
  const { rotated, removed, findings, report } = result;
  const done = `${counted(rotated, 'key')} rotated and proven, ${counted(removed, 'old one')} removed`;
  output.answer(blocks(findingsText(findings, output), done, reportLine(report)), result);
  return exitOf(report.outcome, findings);
}
