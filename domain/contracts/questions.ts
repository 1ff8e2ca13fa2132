// Questions that change nothing. `dr` asks them through Temporal (workflow `ask`), or without it on a machine that has
// the configuration: the same activity answers both ways.

import type { FailureCode, FailureDetails } from '../failures.ts';
import type { BackupRef } from '../manifest.ts';
import { MEASURED_ACTS, SEARCHED_RECORDS } from '../status/measurements.ts';
import type { SystemName } from '../systems.ts';
import type { ListInput } from './repository.ts';

export type Question =
  | ({ readonly kind: 'listBackups' } & ListInput)
  | { readonly kind: 'showBackup'; readonly backup: BackupRef }
  | { readonly kind: 'diffBackups'; readonly from: BackupRef; readonly to: BackupRef }
  | { readonly kind: 'runbook' }
  | { readonly kind: 'reportKeys' }
  | { readonly kind: 'planKeyRotation' }
  | { readonly kind: 'planRetention' }
  | { readonly kind: 'inspect'; readonly system: SystemName; readonly kinds: readonly string[] }
  | { readonly kind: 'checkRepository' }
  | { readonly kind: 'listAudit'; readonly newest: number }
  | { readonly kind: 'listMeasured' }
  | { readonly kind: 'verifyAudit'; readonly head?: string };

export interface Call {
  /** Activity type. */
  readonly activity: string;
  /** `control` runs at the witness, `site` beside the stores. */
  readonly where: 'control' | 'site';
  readonly input: Readonly<Record<string, unknown>>;
}

/** The activity that answers a question. */
export function callFor(question: Question, context: { readonly site: string; readonly run: string }): Call {
  const { site, run } = context;
  const control = (activity: string, input: Call['input']): Call => ({ activity, where: 'control', input });
  switch (question.kind) {
    case 'listBackups': {
      const { kind: _, ...input } = question;
      return control('repository.listBackups', input);
    }
    case 'showBackup':
      return control('repository.showBackup', { backup: question.backup });
    case 'diffBackups':
      return { activity: 'config.diffBackups', where: 'site', input: { from: question.from, to: question.to } };
    case 'runbook':
      return control('repository.makeRunbook', {});
    case 'reportKeys':
      return control('repository.reportKeys', {});
    case 'planKeyRotation':
      return control('repository.planKeyRotation', {});
    case 'planRetention':
      return control('repository.planRetention', { run });
    case 'inspect':
      return { activity: `${question.system}.inspect`, where: 'site', input: { site, kinds: question.kinds } };
    case 'checkRepository':
      return control('repository.prepare', { run });
    case 'listAudit':
      return control('audit.list', { newest: question.newest });
    case 'listMeasured':
      return control('audit.newestOf', { acts: MEASURED_ACTS, among: SEARCHED_RECORDS });
    case 'verifyAudit':
      return control('audit.verify', question.head === undefined ? {} : { head: question.head });
  }
}

/** What the program that answers without Temporal prints when it cannot. */
export interface AskFailure {
  readonly failure: { readonly code: FailureCode; readonly message: string; readonly details: FailureDetails };
}
