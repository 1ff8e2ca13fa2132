// Certificates are backed up when they change. The run lives as long as the platform and begins a fresh history often.
import { continueAsNew, executeChild, isCancellation, ParentClosePolicy, sleep } from '@temporalio/workflow';
import { backUpWorkflowId } from '../domain/run-names.ts';
import { backUpSystem } from './back-up-system.ts';
import { CONTROL_QUEUE, type RunContext, SEARCH_ATTRIBUTES } from './messages.ts';
import { certificateWatch } from './support/activities.ts';
import { closeUnfinished } from './support/closing.ts';

export interface WatchCertificatesInput extends RunContext {
  /** Digest of the files that were last backed up; null backs up at once. */
  readonly knownDigest: string | null;
}

export async function watchCertificates(input: WatchCertificatesInput): Promise<void> {
  let knownDigest = input.knownDigest;
  try {
    const { digest, changedFiles } = await certificateWatch(input.site, 'wait for a changed certificate').waitForChange(
      { site: input.site, knownDigest },
    );
    if (digest !== knownDigest) await backUp(input, changedFiles);
    knownDigest = digest;
  } catch (error) {
    // The known digest stays as it was, so that the next round tries again. A watch that ended would protect nothing.
    if (isCancellation(error)) throw error;
    await closeUnfinished(input, { act: 'certificate-watch.failed', subject: input.platform }, error);
    await sleep('5 minutes', { summary: 'before the next try' });
  }
  await continueAsNew<typeof watchCertificates>({ ...input, knownDigest });
}

async function backUp(input: WatchCertificatesInput, changedFiles: readonly string[]): Promise<void> {
  const { platform, site, tiers, requestedBy, scheduled } = input;
  await executeChild(backUpSystem, {
    workflowId: backUpWorkflowId(platform, 'tls', 'files'),
    taskQueue: CONTROL_QUEUE,
    args: [{ platform, site, tiers, requestedBy, scheduled, system: 'tls', kind: 'files' }],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `Backup of changed certificates: ${changedFiles.length} files`,
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.platform, value: platform },
      { key: SEARCH_ATTRIBUTES.system, value: 'tls' },
      { key: SEARCH_ATTRIBUTES.site, value: site },
    ],
  });
}
