// Calling Terraform: never asked anything, never on the network for a provider, ended gently so that its state is written,
// and its words turned into a failure of ours.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TerraformConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { lockHolderIn } from '../../domain/terraform.ts';
import { startTool } from '../shared/run-tool.ts';
import { findTerraform } from './program.ts';
import { type CallFiles, writeCallFiles } from './workspace.ts';

/** One line of Terraform's machine-readable output. */
export interface TerraformMessage {
  readonly type?: string;
  readonly hook?: { readonly action?: string; readonly resource?: { readonly addr?: string } };
  readonly diagnostic?: { readonly severity: string; readonly summary: string; readonly detail?: string };
}

export interface TerraformCall {
  readonly files: CallFiles;
  /** Runs one command and returns the lines that are no messages. @throws {Failure} as `failureOf`. */
  run(words: readonly string[], onMessage?: (message: TerraformMessage) => Promise<void>): Promise<string>;
}

/** Terraform writes its state before it ends; with a slow provider that takes a while. */
const END_WITHIN_MS = 120_000;

/** Gives `work` a Terraform that is initialised in `folder`, which goes with it. */
export async function withTerraform<T>(
  settings: TerraformConfiguration,
  folder: string,
  work: (call: TerraformCall) => Promise<T>,
): Promise<T> {
  const { command } = await findTerraform(settings.program);
  const files = await writeCallFiles(folder, settings);
  const call: TerraformCall = {
    files,
    run: (words, onMessage) => runOne({ command, settings, files }, words, onMessage),
  };
  await call.run(['init', '-input=false', '-no-color', '-lockfile=readonly', `-backend-config=${files.backend}`]);
  return work(call);
}

interface Calling {
  readonly command: string;
  readonly settings: TerraformConfiguration;
  readonly files: CallFiles;
}

async function runOne(
  { command, settings, files }: Calling,
  words: readonly string[],
  onMessage: (message: TerraformMessage) => Promise<void> = async () => undefined,
): Promise<string> {
  const tool = startTool({
    command,
    args: [`-chdir=${settings.directory}`, ...words],
    env: environmentOf(files),
    endsWith: 'SIGINT',
    killAfterMs: END_WITHIN_MS,
  });
  tool.stdin.end();
  const errors: string[] = [];
  const rest: string[] = [];
  for await (const line of createInterface({ input: tool.stdout })) {
    const message = messageIn(line);
    if (message === null) rest.push(line);
    else await onMessage(message);
    const { severity, summary, detail = '' } = message?.diagnostic ?? {};
    if (severity === 'error') errors.push(`${summary}: ${detail}`);
  }
  await tool.finished.catch((error) => {
    throw failureOf(error, errors, files.secrets);
  });
  return rest.join('\n');
}

const environmentOf = ({ folder, settings, credentials }: CallFiles): Record<string, string> => ({
  ...{ TF_IN_AUTOMATION: '1', TF_INPUT: '0', CHECKPOINT_DISABLE: '1', TMPDIR: folder },
  ...{ TF_DATA_DIR: join(folder, 'data'), TF_CLI_CONFIG_FILE: settings },
  ...(credentials === null ? {} : { AWS_SHARED_CREDENTIALS_FILE: credentials }),
});

function messageIn(line: string): TerraformMessage | null {
  if (!line.startsWith('{"@level"')) return null;
  return JSON.parse(line) as TerraformMessage;
}

function failureOf(error: unknown, errors: readonly string[], secrets: readonly string[]): unknown {
  if (!(error instanceof Failure) || error.code !== 'TOOL_FAILED') return error;
  const told = errors.length > 0 ? errors.join('; ') : String(error.details.words ?? error.message);
  const words = secrets.reduce((text, secret) => text.replaceAll(secret, '…'), told).trim();
  const holder = lockHolderIn(words);
  if (holder !== null)
    return new Failure(
      'TERRAFORM_LOCKED',
      `the Terraform state is locked by ${holder.who} (lock ${holder.id})`,
      holder,
    );
  if (/saved plan is stale/i.test(words))
    return new Failure('PLAN_CHANGED', 'the Terraform state was changed after this plan was made');
  return new Failure('TERRAFORM_FAILED', `Terraform: ${words}`);
}
