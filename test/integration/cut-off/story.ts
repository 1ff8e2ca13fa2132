// A failover from a site that is cut off, in a network where nothing but that site's cable leads anywhere:
// `node story.ts WEST_NETWORK`. First what is sent to it is lost and the site lives on behind the cut; then it is dead and
// its address refuses. It prints one line of JSON: what happened.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { failoverWorkflowId } from '../../../domain/run-names.ts';
import { type Checksums, siteChecksums, siteDifferences } from '../../../local/checksums.ts';
import { loadDataset } from '../../../local/dataset.ts';
import { startProduct } from '../../../local/demo/product.ts';
import { makePassage } from '../../../local/folders.ts';
import { makePeople, type Person } from '../../../local/people.ts';
import { type RunningPlatform, startPlatform } from '../../../local/platform.ts';
import { killAll } from '../../../local/processes.ts';
import { runState } from '../../../workflows/messages.ts';
import { type DrEnd, dr, startDr } from '../../client/dr.ts';
import { askedOutside, cutOff, plugIn, WEST_ADDRESS } from './networks.ts';
import type { West, WestSpec } from './west.ts';

export interface CutOffFacts {
  /** The question that a black hole ends in, its seconds from the last signature on, and how its undo ended. */
  readonly lost: { readonly question: string; readonly seconds: number; readonly end: DrEnd };
  readonly refused: DrEnd;
  /** What east holds, compared with what was backed up at west. */
  readonly differences: readonly string[];
  readonly askedOutside: readonly string[];
}

const WEST = fileURLToPath(new URL('./west.ts', import.meta.url));
const PATIENCE_MS = 240_000;

class WestProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #directory: string;

  constructor(network: string, spec: WestSpec) {
    this.#directory = spec.directory;
    const words = ['netns', 'exec', network, process.execPath, WEST];
    this.#child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const output = this.#child.stdout as NodeJS.ReadableStream;
    this.#lines = createInterface(output)[Symbol.asyncIterator]();
    this.#child.stdin?.write(`${JSON.stringify(spec)}\n`);
  }

  async next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('west ended');
    return JSON.parse(value) as T;
  }

  /** Every process of it, at once. */
  kill(): void {
    killAll([this.#child.pid ?? -1], this.#directory);
  }

  checksums(): Promise<Checksums> {
    this.#child.stdin?.write('checksums\n');
    return this.next();
  }
}

async function westOf(network: string, platform: RunningPlatform): Promise<{ west: WestProcess; told: West }> {
  const below = (part: string) => join(platform.directory, part);
  const { access } = platform.site;
  const passwords = {
    postgres: access.postgres.password,
    redis: access.redis.password,
    rabbitmq: access.rabbitmq.password,
  };
  const { accessKeyId, secretAccessKey } = platform.s3;
  const { tiers } = platform.configuration.repository;
  const bucket = tiers.s3?.kind === 's3' ? tiers.s3.bucket : '';
  await makePassage(below('s3-west'));
  const s3 = { directory: below('s3-west'), bucket, accessKeyId, secretAccessKey };
  const west = new WestProcess(network, { directory: below('site-west'), address: WEST_ADDRESS, passwords, s3 });
  return { west, told: await west.next<West>() };
}

/** West is the active site, and its bucket the first tier. */
async function configure({ configuration, configurationFile }: RunningPlatform, told: West): Promise<void> {
  const { repository, sites } = configuration;
  const tiers = { s3: { ...repository.tiers.s3, endpoint: told.endpoint }, local: repository.tiers.local };
  const changed = {
    ...configuration,
    activeSite: 'west',
    sites: { west: told.configuration, ...sites },
    repository: { ...repository, tiers },
  };
  await writeFile(configurationFile, stringify(changed, { aliasDuplicateObjects: false }));
}

interface Scene {
  readonly platform: RunningPlatform;
  readonly people: readonly Person[];
  readonly client: Client;
}

const run = ({ platform }: Scene) => failoverWorkflowId(platform.name);
const env = ({ platform }: Scene) => ({ HOLDFAST_CONFIG: platform.configurationFile });
const call = (scene: Scene, ...words: string[]) => dr(words, { env: env(scene) });

/** The step and the code of the question that the run asks, once it asks one that `isWanted`. */
async function asked(scene: Scene, isWanted: (question: string) => boolean): Promise<string> {
  const handle = scene.client.workflow.getHandle(run(scene));
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await wait(200)) {
    const state = await handle.query(runState).catch(() => null); // It may not have begun.
    const [question] = state?.questions ?? [];
    const told = question === undefined ? '' : `${question.step} ${question.code}`;
    if (isWanted(told)) return told;
  }
  throw new Error('the run did not ask');
}

/** Starts a failover and has it signed. */
async function signed(scene: Scene) {
  const running = startDr(['failover', 'run', '--to', 'east', '--unproven', '--json'], { env: env(scene) });
  await Promise.race([asked(scene, (told) => told === 'approve null'), endedEarly(running.ended)]);
  for (const { name, privateKey } of scene.people) {
    const words = ['approve', run(scene), '--as', name, '--key', privateKey, '--confirm', scene.platform.name];
    const { status, stdout } = await call(scene, ...words);
    if (status !== 0) throw new Error(`dr approve ended with ${status}: ${stdout}`);
  }
  return running;
}

async function endedEarly(ended: Promise<DrEnd>): Promise<never> {
  const { status, stdout, stderr } = await ended;
  throw new Error(`the failover ended with ${status}: ${stdout}\n${stderr}`);
}

// A silence is not a proof: it asks people, who do not know either, and takes everything back.
async function lostInTheDark(scene: Scene): Promise<CutOffFacts['lost']> {
  const running = await signed(scene);
  const from = Date.now();
  const question = await asked(scene, (told) => told !== '' && told !== 'approve null');
  const seconds = (Date.now() - from) / 1000;
  const step = question.split(' ')[0] ?? '';
  const reason = 'nobody knows whether it still serves';
  await call(scene, 'runs', 'abort', run(scene), step, '--reason', reason, '--confirm', scene.platform.name);
  return { question, seconds, end: await running.ended };
}

async function story(network: string, folder: string): Promise<CutOffFacts> {
  const people = await makePeople(join(folder, 'people'), ['anna', 'ben']);
  const approvers = people.map(({ name, publicKey }) => ({ name, publicKey }));
  const platform = await startPlatform({ site: 'east', approvers });
  const parts: { stop(): Promise<unknown> }[] = [{ stop: () => platform.remove() }];
  try {
    await plugIn(network);
    const { west, told } = await westOf(network, platform);
    parts.unshift({ stop: async () => west.kill() });
    await configure(platform, told);
    await loadDataset(told.access, { scale: 0.01, seed: 1 });
    const before = await west.checksums();
    const worker = await startProduct(platform, false, ['control', 'site.west']);
    parts.unshift(worker);
    await worker.dr(['backup', '--all']);
    await worker.stop();
    parts.unshift(await startProduct(platform, false, ['control', 'site.east']));
    const connection = await Connection.connect({ address: platform.temporal.address });
    parts.unshift({ stop: () => connection.close() });
    const scene: Scene = { platform, people, client: new Client({ connection }) };
    await cutOff(network);
    const lost = await lostInTheDark(scene);
    west.kill();
    await plugIn(network);
    const refused = await (await signed(scene)).ended;
    const now = siteDifferences(before, await siteChecksums(platform.site));
    return { lost, refused, differences: now, askedOutside: await askedOutside() };
  } finally {
    for (const part of parts) await part.stop();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'holdfast-cut-off-'));
await makePassage(folder);
try {
  const facts = await story(process.argv[2] ?? '', folder);
  process.stdout.write(`${JSON.stringify(facts)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit();
