// Brings Holdfast back on a bare folder: `node workers/rebuild.ts --request JSON` prints a `RebuildReport`, or ends with
// the exit status of a failure and prints that as JSON (`AskFailure`). `dr rebuild` starts it.
import { createPublicKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bringBackLog } from '../activities/audit/bring-back.ts';
import { writeWitness } from '../activities/repository/checkpoints.ts';
import { placeFiles } from '../activities/repository/place-files.ts';
import { type RebuildSource, readRebuildSource } from '../activities/repository/rebuild-source.ts';
import { signerPair } from '../activities/repository/signing.ts';
import { asFailure } from '../activities/shared/activity-boundary.ts';
import { keyIdOf } from '../activities/shared/public-keys.ts';
import { parseConfiguration } from '../domain/configuration/parse.ts';
import { problemLine } from '../domain/configuration/problem.ts';
import {
  programsIn,
  type RebuiltConfiguration,
  rebuildConfiguration,
  type SecretReference,
  secretReferences,
} from '../domain/configuration/rebuilt.ts';
import { type Configuration, configurationSchema, type TierConfiguration } from '../domain/configuration/schema.ts';
import type { AskFailure } from '../domain/contracts/questions.ts';
import type { RebuildReport, RebuildRequest, RebuildSecret } from '../domain/contracts/rebuild.ts';
import { EXIT, FAILURES, Failure } from '../domain/failures.ts';
import { refText } from '../domain/repository-layout.ts';
import { examineTiers } from './rebuild-tiers.ts';

const { values } = parseArgs({ options: { request: { type: 'string' } } });

try {
  process.stdout.write(`${JSON.stringify(await rebuild(JSON.parse(values.request ?? 'null') as RebuildRequest))}\n`);
  process.exitCode = EXIT.done;
} catch (error) {
  const { code, message, details } = asFailure(error);
  process.stdout.write(`${JSON.stringify({ failure: { code, message, details } } satisfies AskFailure)}\n`);
  process.exitCode = FAILURES[code].exit;
}

async function rebuild(request: RebuildRequest): Promise<RebuildReport> {
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-rebuild-'));
  try {
    const tier = configurationSchema.shape.repository.shape.tiers.parse({ from: request.tier }).from;
    if (tier === undefined) throw new Failure('USAGE', 'no repository was named');
    const source = await readRebuildSource({ tier, keyFile: request.keyFile, trust: request.trust, scratch });
    return await bringBack(request, tier, source);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function bringBack(
  { directory, keyFile }: RebuildRequest,
  tier: TierConfiguration,
  source: RebuildSource,
): Promise<RebuildReport> {
  const { own, platform, checkpoint } = source;
  const old = requireValid(own.text, `'${own.file}' in ${refText(source.backup)}`, platform);
  const tiers = await examineTiers(old, tier, source);
  const rebuilt = rebuildConfiguration(own, old, {
    directory,
    keyIds: new Map(own.publicKeys.map(({ path, pem }) => [path, keyIdOf(createPublicKey(pem))])),
    opener: { keyId: source.openedBy, file: keyFile },
    ...{ from: tiers.from, lost: tiers.lost, exists: existsSync },
  });
  const file = join(directory, 'holdfast.yaml');
  const configuration = requireValid(rebuilt.text, file, platform);
  const placed = await placeFiles(await filesOf(file, rebuilt, source));
  const log = await bringBackWitness(directory, configuration, source);
  const { number, writtenAt, backups } = checkpoint.checkpoint;
  return {
    ...{ platform, file, backup: source.backup, sealedAt: source.sealedAt, openedBy: source.openedBy },
    checkpoint: { number, writtenAt, backups: backups.length },
    sealers: source.sealers,
    ...placed,
    changes: rebuilt.changes,
    secrets: await Promise.all(secretReferences(configuration).map(stateOf)),
    programs: [...new Set(programsIn(configuration))],
    auditRecords: log.records,
    tiers: Object.keys(configuration.repository.tiers),
    warnings: [...source.passedOver, ...tiers.warnings, ...log.warnings],
  };
}

function requireValid(text: string, file: string, platform: string): Configuration {
  const { configuration, problems } = parseConfiguration(text);
  const errors = problems.filter(({ level }) => level === 'error').map((problem) => problemLine(file, problem));
  if (configuration === null) throw new Failure('CONFIG_INVALID', errors.join('\n'));
  if (configuration.platform === platform) return configuration;
  throw new Failure('REPOSITORY_FOREIGN', `${file} describes '${configuration.platform}', not '${platform}'`);
}

async function filesOf(file: string, rebuilt: RebuiltConfiguration, { own }: RebuildSource) {
  const files = new Map([[file, rebuilt.text]]);
  for (const [old, place] of rebuilt.publicKeys) files.set(place, publicKeyAt(own.publicKeys, old));
  if (rebuilt.newSigner === null) return files;
  const { keyFile, publicKeyFile } = rebuilt.newSigner;
  // A second run finds the signer that the first one made.
  const made = signerPair(existsSync(keyFile) ? await readFile(keyFile, 'utf8') : undefined);
  return files.set(keyFile, made.privateKey).set(publicKeyFile, made.publicKey);
}

function publicKeyAt(keys: RebuildSource['own']['publicKeys'], path: string): string {
  const key = keys.find((one) => one.path === path);
  if (key) return key.pem;
  throw new Failure('ARTIFACT_DAMAGED', `the backup does not hold the public key '${path}'`, { system: 'config' });
}

// The log and the newest checkpoint's number belong to the witness. A folder elsewhere is not ours to fill.
async function bringBackWitness(directory: string, configuration: Configuration, source: RebuildSource) {
  const witness = configuration.witness.directory;
  if (!witness.startsWith(`${directory}/`))
    return { records: null, warnings: [`the witness folder '${witness}' is there and was left as it is`] };
  await writeWitness(witness, source.checkpoint);
  try {
    return { records: await bringBackLog(witness, source.platform, source.texts), warnings: [] };
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'AUDIT_BROKEN')) throw error;
    return { records: 0, warnings: [`the audit log is not whole: ${error.message}`] };
  }
}

async function stateOf({ usedBy, reference }: SecretReference): Promise<RebuildSecret> {
  const [, kind, body = ''] = /^\$\{(env|file|command):(.*)\}$/s.exec(reference) ?? [];
  if (kind === 'command') return { usedBy, reference, state: 'not tried' };
  const isThere = kind === 'env' ? process.env[body] !== undefined : existsSync(body);
  return { usedBy, reference, state: isThere ? 'there' : 'missing' };
}
