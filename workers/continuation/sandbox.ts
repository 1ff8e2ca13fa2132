// The SDK's own runtime of workflows, from the bundle that a worker runs them in, with this process in the place of the
// server: what a workflow asks for comes out of an activation as commands, and goes back in as jobs.
import { readFile } from 'node:fs/promises';
import { type Headers, type Payload, TypedSearchAttributes } from '@temporalio/common';
import { msNumberToTs } from '@temporalio/common/lib/time.js';
import proto, { type coresdk as Protocol } from '@temporalio/proto';
import { DefaultLogger } from '@temporalio/worker';
import { parseWorkflowCode } from '@temporalio/worker/lib/worker.js';
import type { WorkflowCreateOptions, Workflow as WorkflowSandbox } from '@temporalio/worker/lib/workflow/interface.js';
import { ThreadedVMWorkflowCreator } from '@temporalio/worker/lib/workflow/threaded-vm.js';
import { CONTROL_QUEUE } from '../../workflows/messages.ts';
import { workflowBundle } from '../workflow-bundle.ts';

const { WorkflowActivation } = proto.coresdk.workflow_activation;
const { WorkflowActivationCompletion } = proto.coresdk.workflow_completion;

/** What a server tells a workflow when it begins. */
export interface Birth {
  readonly workflow: string;
  readonly runId: string;
  readonly type: string;
  readonly startedAt: Date;
  readonly input: readonly Payload[];
  readonly headers: Headers;
}

/** What is told to a workflow, by its name in the protocol. */
export type Job = Readonly<Record<string, object>>;
export type Command = Protocol.workflow_commands.IWorkflowCommand;

export interface Sandbox {
  /** A workflow that has not begun: its first job is `beginning`. */
  create(birth: Birth): Promise<SandboxedWorkflow>;
  close(): Promise<void>;
}

export interface SandboxedWorkflow {
  /** Tells one thing, at `now` by the workflow's clock. @throws what is wrong with the workflow itself. */
  tell(job: Job, now: number): Promise<readonly Command[]>;
}

// As a worker: longer than this no workflow thinks without waiting.
const THINK_MS = 5000;

export async function openSandbox(): Promise<Sandbox> {
  const codePath = await workflowBundle();
  const creator = await ThreadedVMWorkflowCreator.create({
    workflowBundle: parseWorkflowCode(await readFile(codePath, 'utf8'), codePath),
    ...{ threadPoolSize: 1, isolateExecutionTimeoutMs: THINK_MS, reuseV8Context: true },
    registeredActivityNames: new Set(['default']),
    logger: new DefaultLogger('ERROR'),
  });
  const made: WorkflowSandbox[] = [];
  return {
    create: async (birth) => {
      const inner = await creator.createWorkflow(optionsOf(birth));
      made.push(inner);
      return sandboxed(birth.runId, inner);
    },
    close: async () => {
      for (const inner of made) await inner.dispose();
      await creator.destroy();
    },
  };
}

/** The job that begins a workflow. */
export const beginning = ({ workflow, runId, type, startedAt, input, headers }: Birth): Job => ({
  initializeWorkflow: {
    ...{ workflowType: type, workflowId: workflow, arguments: input, headers },
    ...{ firstExecutionRunId: runId, originalExecutionRunId: runId, attempt: 1, randomnessSeed: SEED },
    startTime: msNumberToTs(startedAt.getTime()),
  },
});

// Nothing of ours draws lots.
const SEED = 1;

function sandboxed(runId: string, inner: WorkflowSandbox): SandboxedWorkflow {
  let historyLength = 0;
  return {
    tell: async (job, now) => {
      historyLength += 1;
      const activation = WorkflowActivation.fromObject({
        ...{ runId, timestamp: msNumberToTs(now), isReplaying: false, historyLength },
        jobs: [job],
      });
      const completion = WorkflowActivationCompletion.fromObject(await inner.activate(activation));
      if (completion.failed) throw new Error(completion.failed.failure?.message ?? 'the workflow did not answer');
      return completion.successful?.commands ?? [];
    },
  };
}

function optionsOf({ workflow, runId, type, startedAt }: Birth): WorkflowCreateOptions {
  const info = {
    ...{ workflowId: workflow, runId, workflowType: type, firstExecutionRunId: runId, originalExecutionRunId: runId },
    ...{ searchAttributes: {}, typedSearchAttributes: new TypedSearchAttributes(), namespace: 'without-temporal' },
    ...{ startTime: startedAt, runStartTime: startedAt, taskQueue: CONTROL_QUEUE, taskTimeoutMs: THINK_MS, attempt: 1 },
    ...{ historyLength: 0, historySize: 0, continueAsNewSuggested: false, suggestedContinueAsNewReasons: [] },
    ...{ targetWorkerDeploymentVersionChanged: false, unsafe: { isReplaying: false, isReplayingHistoryEvents: false } },
  };
  return {
    // `unsafe` takes its functions inside the sandbox.
    info: info as unknown as WorkflowCreateOptions['info'],
    ...{ randomnessSeed: [SEED], now: startedAt.getTime(), showStackTraceSources: false },
  };
}
