// Every command of the documents is run, in reading order, against one small platform; what cannot be run here is in one
// list with the place where it is. A command that is in neither fails.
import { execFile } from 'node:child_process';
import { appendFile, chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BackupSummary } from '../../domain/manifest.ts';
import { manage } from '../../local/dataset/rabbitmq-data.ts';
import { loadDataset } from '../../local/dataset.ts';
import { type Product, startProduct } from '../../local/demo/product.ts';
import { type RunningPlatform, startPlatform } from '../../local/platform.ts';
import { runState } from '../../workflows/messages.ts';
import { dr, type RunningDr, startDr } from '../client/dr.ts';
import { commandsOf, DOCUMENTS, type DocumentCommand, QUICK_REFERENCE } from './document-commands.ts';

const run = promisify(execFile);

const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm ci': 'installing the packages is what runs before any test',
  'npm run demo': 'a whole platform of its own: its parts are tested in test/local/',
  'npm test': 'it is what runs this test',
  'npm run bench': 'measures for a quarter of an hour; test/bench/ runs a small part of it',
  'dr rebuild --from REPOSITORY --key ESCROW_KEY --directory FOLDER':
    'needs a platform that is lost: test/client/rebuild.server.test.ts',
  'dr rebuild --from REPOSITORY --key ESCROW_KEY --trust WITNESS_PUB --directory FOLDER':
    'needs a platform that is lost: test/client/rebuild.server.test.ts',
  'dr failover plan --planned --to east': 'needs two sites: test/client/handover.server.test.ts',
  'dr failover run --planned --to east': 'needs two sites: test/client/handover.server.test.ts',
  'dr failback plan --to west': 'needs two sites: test/client/handover.server.test.ts',
  'dr failback run --to west': 'needs two sites: test/client/handover.server.test.ts',
  'dr runs go failover/PLATFORM go --reason "nothing is lost"': 'needs two sites: test/client/handover.server.test.ts',
  'dr runs go failover/orders go --reason "nothing is lost"': 'needs two sites: test/client/handover.server.test.ts',
  'dr witness': 'runs until it is told to stop: test/workers/witness.server.test.ts',
  'dr witness --once': 'needs witness.probes: the same test',
  'dr failover continue failover/orders --without-temporal':
    'needs a run that lost Temporal: test/client/without-temporal.server.test.ts',
  'dr failover continue failover/PLATFORM --without-temporal': 'the same test',
  'dr agent --site west': 'runs until it is told to stop: test/workers/agent.server.test.ts',
  'dr worker': 'runs for the length of this test (startProduct)',
  'dr worker --queue control': 'test/client/runs.server.test.ts starts workers of single queues',
  'dr worker --queue site.east': 'test/client/failover.server.test.ts',
  'dr failover plan --to east': 'needs a second site: test/client/failover.server.test.ts',
  'dr failover run --to east': 'the same test',
  'dr approve failover/orders --as anna --key KEY_FILE': 'the same test',
  'dr approve failover/PLATFORM --as NAME --key KEY_FILE': 'the same test',
  'dr runs retry failover/PLATFORM fence --reason "who stopped what"': 'the same test',
  'dr runs skip failover/PLATFORM attest --reason "who saw what"': 'the same test',
  'dr runs abort failover/PLATFORM --reason "why"': 'the same test',
  'dr runs retry failover/orders fence --reason "who stopped what"': 'the same test',
  'dr runs skip failover/orders attest --reason "who saw what"': 'the same test',
  'dr runs abort failover/orders --reason "why"': 'the same test',
  'cat addresses.txt': 'shows the input of dr init, which the test writes itself',
  'sudo ln -s "$PWD/client/dr.mjs" /usr/local/bin/dr': 'changes the machine; links to the program are followed by Node',
};

/** Names that the documents leave to their reader, and those of the sample platform. */
const NAMES: Readonly<Record<string, string>> = {
  orders: 'demo',
  PLATFORM: 'demo',
  west: 'one',
  east: 'one',
  DATABASE: 'billing',
  TABLE: 'app.orders',
  PATTERN: 'session:*',
  VHOST: 'agents',
  QUEUE: 'tasks',
  FILE: 'orchestrator/.env',
};
const named = (words: readonly string[]) => words.map((word) => NAMES[word] ?? word);

const commands = DOCUMENTS.flatMap(commandsOf);
// What is said again is tried once. The quick reference says less of exit codes than the others, so theirs count.
const says = (a: DocumentCommand, b: DocumentCommand) => String(named(a.words)) === String(named(b.words));
const isFirst = (command: DocumentCommand) => {
  const others = commands.filter(({ document }) => document !== QUICK_REFERENCE);
  if (command.document === QUICK_REFERENCE)
    return (others.find((one) => says(one, command)) ?? commands.find((one) => says(one, command))) === command;
  return others.find((one) => says(one, command) && String(one.exits) === String(command.exits)) === command;
};
const LONGEST_MS = 110_000;
const isRun = ({ words, text }: DocumentCommand) => words[0] === 'dr' && ELSEWHERE[text] === undefined;

describe('the documents', () => {
  it('hold no command that is neither run nor listed, and none is listed that they do not hold', () => {
    const others = commands.filter((command) => !isRun(command)).map(({ text }) => text);
    expect(others.filter((text) => ELSEWHERE[text] === undefined)).toEqual([]);
    expect(Object.keys(ELSEWHERE).filter((text) => !others.includes(text))).toEqual([]);
  });
});

let directory: string;
let platform: RunningPlatform;
let product: Product;
let connection: Connection;
let waiting: RunningDr | null = null;

const environment = () => ({ HOLDFAST_CONFIG: platform.configurationFile });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-documents-'));
  platform = await startPlatform({});
  await rm(join(platform.directory, 'keys/escrow.key')); // Offline, as the checklist wants it.
  await loadDataset(platform.site.access, { scale: 0.02, seed: 1 });
  product = await startProduct(platform);
  connection = await Connection.connect({ address: platform.temporal.address });
  await beginWatch();
  await product.dr(['backup', '--all']);
  await product.dr(['backup', 'config']);
});

afterAll(async () => {
  waiting?.child.kill('SIGKILL');
  await makeReplaceable();
  await connection?.close();
  await product?.stop();
  await platform?.remove();
  await rm(directory, { recursive: true, force: true });
});

// The watch over the certificates backs them up as soon as it begins, and would lock them for the document's next command.
async function beginWatch(): Promise<void> {
  await product.dr(['schedule', 'apply']);
  await product.dr(['schedule', 'pause', '--all']);
  const isOver = async () => {
    expect((await product.dr<BackupSummary[]>(['backups', 'list', 'tls'])).value).toHaveLength(1);
    expect(await runningBackups()).toEqual([]);
  };
  await vi.waitFor(isOver, { timeout: 90_000, interval: 500 });
}

/** A run that waits for a person: a file that it must replace cannot be replaced. */
const RUN = 'restore/demo/config';

/** What stands for each word in capitals, and for places and names that are somebody's own. */
const MEANINGS: Readonly<Record<string, () => string | Promise<string>>> = {
  TIME: () => new Date().toISOString(),
  POSTGRES_BACKUP: () => backupOf('postgres', 0),
  REDIS_BACKUP: () => backupOf('redis', 0),
  CONFIG_BACKUP: () => backupOf('config', 0),
  OLDER_CONFIG_BACKUP: () => backupOf('config', 1),
  RUN: () => RUN,
  STEP: waitingStep,
  KEYS: () => join(directory, 'keys'),
  '/etc/holdfast': () => join(directory, 'etc'),
  '/var/lib/holdfast': () => join(directory, 'data'),
  '/var/lib/holdfast/status.html': () => join(directory, 'status.html'),
  '/srv/app': () => platform.site.configDirectory,
  '/srv/tls/gateway.crt:/srv/tls/gateway.key': () =>
    ['crt', 'key'].map((end) => join(platform.site.tlsDirectory, `gateway.${end}`)).join(':'),
};

/** What must have happened before a command makes sense. */
const BEFORE: Readonly<Record<string, () => Promise<unknown>>> = {
  'dr restore rabbitmq --vhost agents --queue tasks --dry-run': () =>
    manage(platform.site.access.rabbitmq, 'DELETE', 'queues/agents/tasks'),
};

async function backupOf(system: string, index: number): Promise<string> {
  const { stdout } = await dr(['backups', 'list', system, '--json'], { env: environment() });
  const { backupId } = (JSON.parse(stdout) as BackupSummary[])[index] ?? {};
  if (backupId === undefined) throw new Error(`there is no backup ${index} of ${system}`);
  return `${system}/${backupId}`;
}

async function waitingStep(): Promise<string> {
  const handle = new Client({ connection }).workflow.getHandle(RUN);
  // The plan's approval, which is on its way, is a question too.
  const open = async () => (await handle.query(runState)).questions.find(({ step }) => step !== 'approve')?.step;
  await expect.poll(open, { timeout: 60_000, interval: 100 }).toBeDefined();
  return (await open()) ?? '';
}

function addresses(): string {
  const { postgres, redis, rabbitmq } = platform.site.access;
  const at = (user: string, password: string) => `${user}:${encodeURIComponent(password)}@127.0.0.1`;
  return [
    `postgres://${at(postgres.user, postgres.password)}:${postgres.port}/postgres`,
    `redis://${at(redis.username, redis.password)}:${redis.port}`,
    `amqp://${at(rabbitmq.user, rabbitmq.password)}:${rabbitmq.port}`,
  ].join('\n');
}

// Schedules would start runs beside the test's own, and detached runs would lock what the next command wants.
async function settle({ words }: DocumentCommand): Promise<void> {
  if (words[1] === 'schedule') await dr(['schedule', 'pause', '--all'], { env: environment() });
  if (!words.includes('--detach') && !words.includes('trigger')) return;
  await expect.poll(runningBackups, { timeout: 90_000, interval: 500 }).toEqual([]);
}

async function runningBackups(): Promise<string[]> {
  const { stdout } = await dr(['runs', 'list', '--running', '--json'], { env: environment() });
  return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id).filter((id) => !id.startsWith('watch/'));
}

// Nobody may replace a file that is immutable, not even root; without root, a folder that is not writable does it.
async function startStubbornRestore(): Promise<ReturnType<typeof startDr>> {
  const file = join(platform.site.configDirectory, 'gateway/limits.conf');
  await appendFile(file, 'burst = 1\n');
  await (process.getuid?.() === 0 ? run('chattr', ['+i', file]) : chmod(dirname(file), 0o500));
  const restore = startDr(['restore', 'config', '--confirm', platform.name], { env: environment() });
  await expect.poll(runningBackups, { timeout: 30_000, interval: 200 }).toContain(RUN);
  return restore;
}

async function makeReplaceable(): Promise<void> {
  const file = join(platform.site.configDirectory, 'gateway/limits.conf');
  await (process.getuid?.() === 0 ? run('chattr', ['-i', file]) : chmod(dirname(file), 0o700));
}

describe('every command of the documents', () => {
  it.each(
    commands
      .filter((command) => isRun(command) && isFirst(command))
      .map((command) => [`${command.document}:${command.line}: ${command.text}`, command] as const),
  )(
    '%s',
    async (_, command) => {
      if (command.words.includes('RUN') && waiting === null) waiting = await startStubbornRestore();
      await BEFORE[named(command.words).join(' ')]?.();
      const words: string[] = [];
      for (const word of named(command.words).slice(1)) words.push((await MEANINGS[word]?.()) ?? word);
      const input = command.readsInput ? { input: addresses() } : {};
      const { child, ended } = startDr(words, { env: environment(), ...input });
      // A command that waits for a person would say nothing: ended, it shows its words.
      const limit = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
      const { status, stdout, stderr } = await ended.finally(() => clearTimeout(limit));
      expect(command.exits, `exit ${status}\n${stdout}\n${stderr}`).toContain(status);
      await settle(command);
    },
    240_000,
  );
});
