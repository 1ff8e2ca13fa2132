// Where a run's plan lies, and what a call of Terraform is given: all of it private files, those with secrets only as long
// as the call lasts.
import { createHash } from 'node:crypto';
import { chmod, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TerraformConfiguration } from '../../domain/configuration/schema.ts';
import { isSecretReference } from '../../domain/configuration/values.ts';
import type { TerraformInput } from '../../domain/contracts/terraform.ts';
import { Failure } from '../../domain/failures.ts';
import type { TerraformApplied } from '../../domain/terraform.ts';
import { requireCurrentAttempt } from '../shared/activity-context.ts';
import { asDiskFailure, makePrivateFolder, unless } from '../shared/durable-files.ts';
import { resolveSecret } from '../shared/secrets.ts';

/** The files of one run and site. */
export class Workspace {
  readonly folder: string;

  constructor(witnessDirectory: string, { site, run }: TerraformInput) {
    const name = createHash('sha256').update(run).digest('hex').slice(0, 24);
    this.folder = join(witnessDirectory, 'terraform', site, name);
  }

  planFile(digest: string): string {
    return join(this.folder, `${digest}.tfplan`);
  }

  /** Where the files of a call are while it lasts. */
  get callFolder(): string {
    return join(this.folder, 'call');
  }

  async endCall(): Promise<void> {
    requireCurrentAttempt(); // The attempt that has taken over keeps its files in a folder of the same name.
    await rm(this.callFolder, { recursive: true, force: true });
  }

  async remove(): Promise<void> {
    requireCurrentAttempt();
    await rm(this.folder, { recursive: true, force: true });
  }

  async make(): Promise<void> {
    await makePrivateFolder(this.folder);
  }

  /** Gives a plan that was just written the name of its digest. */
  async keepPlan(file: string): Promise<string> {
    await chmod(file, 0o600);
    const digest = await digestOf(file);
    await rename(file, this.planFile(digest));
    return digest;
  }

  /** @throws {Failure} PLAN_CHANGED when the file is gone or is not that plan. */
  async requirePlan(digest: string): Promise<string> {
    const file = this.planFile(digest);
    const found = /^[0-9a-f]{64}$/.test(digest) ? await unless(['ENOENT'], () => digestOf(file)) : undefined;
    if (found === digest) return file;
    const what = found === undefined ? 'is not at the witness' : 'is not the one that was shown';
    throw new Failure('PLAN_CHANGED', `the Terraform plan ${digest.slice(0, 12)} ${what}`);
  }

  /** Remembers that a plan has begun to change things, or asks whether it has. */
  async begin(digest: string): Promise<void> {
    await this.#write('begun', digest);
  }

  async hasBegun(digest: string): Promise<boolean> {
    return (await this.#read('begun')) === digest;
  }

  async finish(done: TerraformApplied): Promise<void> {
    await this.#write('done', JSON.stringify(done));
    const others = (await readdir(this.folder)).filter((name) => name.endsWith('.tfplan') || name === 'begun');
    await Promise.all(others.map((name) => rm(join(this.folder, name), { force: true })));
  }

  /** What an earlier attempt has finished, whose answer was lost. */
  async done(digest: string): Promise<TerraformApplied | null> {
    const text = await this.#read('done');
    const done = text === undefined ? null : (JSON.parse(text) as TerraformApplied);
    return done?.digest === digest ? done : null;
  }

  #read(name: string): Promise<string | undefined> {
    return unless(['ENOENT'], () => readFile(join(this.folder, name), 'utf8'));
  }

  async #write(name: string, text: string): Promise<void> {
    requireCurrentAttempt();
    const path = join(this.folder, name);
    try {
      await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    } catch (error) {
      throw asDiskFailure(error, path);
    }
  }
}

const digestOf = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

/** What one call finds on the disk; gone after it. */
export interface CallFiles {
  readonly folder: string;
  readonly variables: string;
  readonly backend: string;
  readonly settings: string;
  /** Null where the machine's own role is used. */
  readonly credentials: string | null;
  /** What must not be in any word that is told. */
  readonly secrets: readonly string[];
}

/** Writes the files of a call into a folder that holds nothing else. */
export async function writeCallFiles(folder: string, settings: TerraformConfiguration): Promise<CallFiles> {
  await rm(folder, { recursive: true, force: true });
  await makePrivateFolder(folder);
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  };
  const { values, secrets } = await resolveVariables(settings);
  const account = await accountOf(settings.backend);
  return {
    folder,
    variables: await write('variables.tfvars.json', JSON.stringify(values)),
    backend: await write('backend.tfbackend.json', JSON.stringify(backendOf(settings.backend))),
    settings: await write('terraform.tfrc', installationFrom(settings.providers ?? join(folder, 'no-providers'))),
    credentials: account === null ? null : await write('credentials', account.text),
    secrets: [...secrets, ...(account === null ? [] : [account.secret])],
  };
}

async function resolveVariables({ variables }: TerraformConfiguration) {
  const secrets: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(variables)) {
    values[name] = isSecretReference(value) ? await resolveSecret(value) : value;
    if (isSecretReference(value)) secrets.push(String(values[name]));
  }
  return { values, secrets };
}

// In a file of its own, which the plan does not repeat: a plan file holds its backend's settings.
async function accountOf(backend: TerraformConfiguration['backend']) {
  if (backend.kind !== 's3' || backend.accessKeyId === undefined || backend.secretAccessKey === undefined) return null;
  const [id, secret] = await Promise.all([resolveSecret(backend.accessKeyId), resolveSecret(backend.secretAccessKey)]);
  return { text: `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`, secret };
}

function backendOf(backend: TerraformConfiguration['backend']): object {
  if (backend.kind === 'local') return { path: backend.path };
  const { bucket, key, region, endpoint } = backend;
  const elsewhere = {
    ...{ endpoints: { s3: endpoint }, use_path_style: true, skip_s3_checksum: true },
    ...{ skip_credentials_validation: true, skip_requesting_account_id: true, skip_region_validation: true },
    skip_metadata_api_check: true,
  };
  return { bucket, key, region, use_lockfile: true, ...(endpoint === undefined ? {} : elsewhere) };
}

// No `direct` block: nothing is ever fetched from a registry.
const installationFrom = (mirror: string): string =>
  `disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`;
