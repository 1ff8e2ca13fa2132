// The command against a real Temporal and the real workflows; what lies behind them is a world in memory.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exampleWith } from '../domain/configuration/example.ts';
import { startTemporalEnvironment, type TemporalEnvironment } from '../support/temporal-environment.ts';
import { createFakeWorld, type FakeWorld } from '../workflows/fake-world.ts';
import { DR, dr, startDr } from './dr.ts';

const ONLY_POSTGRES = [
  ['    redis: { host: 127.0.0.1 }\n', ''],
  [
    '    rabbitmq:\n      host: 127.0.0.1\n      management: http://127.0.0.1:15672\n      user: holdfast\n      password: ${env:RABBITMQ_PASSWORD}\n      dataDirectory: /var/lib/rabbitmq/mnesia/rabbit@west\n',
    '',
  ],
  ['    config: { root: /srv/app, patterns: ["**/*.env"] }\n', ''],
  [
    '    tls:\n      certificates:\n        - { name: web, certificate: /etc/ssl/web.crt, key: /etc/ssl/web.key }\n',
    '',
  ],
  ['activeSite: west', 'activeSite: west\nschedules: { postgres: { kinds: [logical] } }'],
] as const;

let environment: TemporalEnvironment;
let world: FakeWorld;
let directory: string;
let settings: { readonly cwd: string; readonly env: Readonly<Record<string, string>> };

beforeAll(async () => {
  environment = await startTemporalEnvironment();
  directory = await mkdtemp(join(tmpdir(), 'holdfast-dr-'));
  await writeFile(join(directory, 'holdfast.yaml'), exampleWith(...ONLY_POSTGRES));
  settings = { cwd: directory, env: { TEMPORAL_ADDRESS: environment.temporal.address } };
  world = createFakeWorld();
});

afterAll(async () => {
  await environment?.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => world.mend());

const run = (...args: string[]) => dr(args, settings);

describe('dr before a worker runs', () => {
  it('refuses to start a run that would wait for ever', async () => {
    const { status, stdout, stderr } = await run('backup', '--all');
    expect(stderr).toBe(
      "no worker polls queues 'control' and 'site.west'\nMEANS: the run would wait for ever\nDO: start one: 'dr worker --queue control' and 'dr worker --queue site.west'\n",
    );
    expect({ status, stdout }).toEqual({ status: 7, stdout: '' });
  });
});

describe('dr with workers', () => {
  beforeAll(() => environment.serve(['west'], world.activities));

  it('backs up, follows the steps and lists what is stored', async () => {
    const { status, stdout, stderr } = await run('backup', '--all');
    expect(stderr).toContain('✔ PostgreSQL (logical)');
    expect(stderr).toMatch(/http:\/\/127\.0\.0\.1:8233\/namespaces\/default\/workflows\/backup%2Forders%2F/);
    expect(stdout).toMatch(/postgres {2}\d{8}t\d{6}z-logical-[0-9a-f]{6}/);
    expect(stdout).toMatch(/backup\/orders\/postgres.* succeeded in [\d.]+ s\n$/);
    expect(status).toBe(0);
    const listed = await run('backups', 'list', '--json');
    expect(JSON.parse(listed.stdout)).toEqual([...world.sealed.values()]);
  });

  it('prints one JSON document and nothing else on standard output', async () => {
    const { status, stdout } = await run('backup', 'postgres', '--kind', 'logical', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ failed: [], report: { outcome: 'succeeded' } });
    expect(status).toBe(0);
  });

  it('tells a failed backup as a failure, with what the others left', async () => {
    world.break('postgres.takeBackup', 'before');
    const { status, stdout } = await run('backup', 'postgres', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      error: { exit: 1, message: expect.stringContaining('MEANS:') },
      result: { failed: [{ system: 'postgres', kind: 'logical' }] },
    });
    expect(status).toBe(1);
  });

  it('restores into the live store when the platform is named', async () => {
    const { status, stdout, stderr } = await run('restore', 'postgres', '--confirm', 'orders');
    expect(stderr).toContain('Plan: restore postgres/');
    expect(stderr).toContain('approved');
    expect(stdout).toContain('✔ step replace: replace is done');
    expect(status).toBe(0);
    expect(world.audit.at(-1)).toMatchObject({ act: 'restore.done' });
  });

  it('refuses a wrong name before anything is started', async () => {
    const before = world.acts.length;
    const { status, stderr } = await run('restore', 'postgres', '--confirm', 'order');
    expect(stderr).toBe(
      "'order' is not the platform's name\nMEANS: nothing was changed\nDO: type the platform's name, or give --confirm NAME\n",
    );
    expect(status).toBe(4);
    expect(world.acts.length).toBe(before);
  });

  it('shows the plan and changes nothing when nobody confirms it', async () => {
    world.acts.length = 0;
    const { status, stderr } = await run('restore', 'postgres');
    expect(stderr).toContain('Plan: restore postgres/');
    expect(stderr).toContain('the plan was not confirmed\nMEANS: nothing was changed');
    expect(status).toBe(4);
    expect(world.acts.filter((act) => act.startsWith('postgres.runRestoreStep'))).toEqual([]);
  });

  it('shows the plan and stops with --dry-run', async () => {
    const { status, stdout } = await run('restore', 'postgres', '--dry-run');
    expect(stdout).toMatch(/^Plan: restore postgres\/[\s\S]*nothing was changed\n$/);
    expect(status).toBe(0);
  });

  it('ends a dry run that finds no backup, instead of waiting for a person', async () => {
    const { status, stderr } = await run('restore', 'postgres', '--backup', 'not-there', '--dry-run');
    expect(stderr).toContain(
      "no backup 'not-there' of postgres can restore a whole\nMEANS: there is nothing to work on",
    );
    expect(status).toBe(6);
  });

  it('tells a step that waits, takes retry from another terminal, and ends well', async () => {
    world.break('postgres.runRestoreStep:replace', 'before');
    const first = startDr(['restore', 'postgres', '--confirm', 'orders'], settings);
    await untilWaiting();
    const locked = await run('restore', 'postgres', '--test');
    expect(locked.stderr).toMatch(
      /^'restore\/orders\/postgres' has been running since .* for .*@.*\nMEANS: another run works on the same thing\nDO: watch it: 'dr runs watch restore\/orders\/postgres'\n$/,
    );
    expect(locked.status).toBe(5);
    const refused = await run('runs', 'skip', 'restore/orders/postgres', 'replace', '--reason', 'x');
    expect(refused.stderr).toContain("step 'replace' takes retry, abort, not 'skip'");
    expect(refused.status).toBe(2);
    world.mend();
    const retried = await run('runs', 'retry', 'restore/orders/postgres', 'replace', '--reason', 'mended');
    expect(retried.status).toBe(0);
    const { status, stderr } = await first.ended;
    expect(stderr).toContain("step 'replace' waits for a person:");
    expect(stderr).toContain('dr runs retry restore/orders/postgres replace --reason "…"');
    expect(status).toBe(0);
  });

  it('goes on when the command is detached, and undoes when the run is aborted', async () => {
    world.break('postgres.runRestoreStep:replace', 'after');
    const first = startDr(['restore', 'postgres', '--confirm', 'orders'], settings);
    await untilWaiting();
    first.child.kill('SIGINT');
    const { status, stderr } = await first.ended;
    expect(stderr).toContain("detached: the run goes on; watch it with 'dr runs watch restore/orders/postgres'");
    expect(status).toBe(130);
    const running = await run('runs', 'list', '--running', '--json');
    expect(JSON.parse(running.stdout)).toMatchObject([{ id: 'restore/orders/postgres', status: 'RUNNING' }]);
    const unconfirmed = await run('runs', 'abort', 'restore/orders/postgres', '--reason', 'no');
    expect(unconfirmed.stderr).toContain('undoes what it has done where there is something to undo, last step first:');
    expect(unconfirmed.status).toBe(4);
    const abort = ['runs', 'abort', 'restore/orders/postgres', '--reason', 'no', '--confirm', 'orders'];
    expect((await run(...abort)).status).toBe(0);
    const watched = await run('runs', 'watch', 'restore/orders/postgres');
    expect(watched.stderr).toContain('MEANS: the run was stopped and what it had done was undone');
    expect(watched.status).toBe(12);
    expect([...world.inEffect].filter((step) => step === 'replace')).toEqual([]);
  });

  it('asks a person at a terminal for the name, and stops asking when the answer comes from elsewhere', async () => {
    const typed = atTerminal(['restore', 'postgres']);
    await typed.until("Type the platform's name to carry this out:");
    typed.child.stdin?.write('orders\n');
    expect((await typed.ended).stdout).toContain('approved');
    world.break('postgres.runRestoreStep:replace', 'before');
    const asked = atTerminal(['restore', 'postgres', '--confirm', 'orders']);
    await asked.until('retry, abort? (Enter: leave it waiting)');
    world.mend();
    await run('runs', 'retry', 'restore/orders/postgres', 'replace', '--reason', 'mended');
    const { stdout, status } = await asked.ended;
    expect(stdout).toContain('answered elsewhere');
    expect(stdout).toMatch(/restore\/orders\/postgres.* succeeded in /);
    expect(status).toBe(0);
  });

  it('verifies, and tells a damaged backup by its exit code', async () => {
    const good = await run('verify', '--depth', 'stored');
    expect(good.stdout).toMatch(/stored +\d+/);
    const absent = await run('verify', '--depth', 'presence');
    expect(absent.stderr).toContain('is older than the objective allows');
    expect(absent.stderr).toContain("DO: take one now: 'dr backup postgres'");
    expect(absent.status).toBe(8);
  });

  it('does not know a run that never was', async () => {
    const { status, stderr } = await run('runs', 'watch', 'restore/orders/nothing');
    expect(stderr).toBe(
      "there is no run 'restore/orders/nothing'\nMEANS: there is nothing to watch or to answer\nDO: see 'dr runs list'\n",
    );
    expect(status).toBe(6);
  });
});

// `script` gives the command a terminal of its own; what it shows comes out of standard output.
function atTerminal(args: readonly string[]) {
  const command = [process.execPath, DR, ...args].map((word) => `'${word}'`).join(' ');
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', TERM: 'xterm', ...settings.env };
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { cwd: directory, env });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const ended = new Promise<{ status: number | null; stdout: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout }));
  });
  const until = (text: string) => expect.poll(() => stdout, { timeout: 30_000, interval: 100 }).toContain(text);
  return { child, ended, until };
}

async function untilWaiting(): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await wait(100)) {
    const handle = environment.client.workflow.getHandle('restore/orders/postgres');
    const state = await handle.query<{ questions: { step: string }[] }>('runState').catch(() => null);
    if (state?.questions.some(({ step }) => step === 'replace')) return;
  }
  throw new Error('the step did not wait for a person');
}
