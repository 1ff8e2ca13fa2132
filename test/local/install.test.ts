import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const INSTALLER = fileURLToPath(new URL('../../local/install.mjs', import.meta.url));

let empty: string;
beforeAll(async () => {
  empty = await mkdtemp(join(tmpdir(), 'holdfast-install-'));
});
afterAll(() => rm(empty, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runInstaller(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [INSTALLER, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test('looking on a machine without anything tells each missing part with its reason and changes nothing', async () => {
  const { code, stdout, stderr } = await runInstaller(['--check'], { PATH: empty, XDG_CACHE_HOME: empty });
  expect([code, stderr]).toEqual([11, '']);
  const missing = stdout.split('\n').filter((line) => line.startsWith('missing'));
  for (const name of ['redis-server', 'zstd', 'chromium', 'temporal', 'versitygw'])
    expect(missing.find((line) => line.split(/\s+/)[1] === name)).toMatch(/\): \S/);
});

test('only the suite on newer stores needs those and what sets them up', async () => {
  const environment = { PATH: empty, XDG_CACHE_HOME: empty };
  const current = await runInstaller(['current', '--check'], environment);
  expect(current.stdout).toMatch(/^missing {2}patchelf /m);
  expect(current.stdout).toMatch(/^(there|missing) .*Debian trixie/m);
  const { stdout } = await runInstaller(['test', '--check'], environment);
  expect(stdout).not.toMatch(/debootstrap|patchelf|trixie/);
});

test('Terraform is built where none is on PATH, and what only looks at infra/ is left out elsewhere', async () => {
  const environment = { PATH: empty, XDG_CACHE_HOME: empty };
  const { stdout } = await runInstaller(['demo', '--check'], environment);
  expect(stdout).toMatch(/^missing {2}tofu /m);
  expect(stdout).not.toMatch(/tflint|checkov/);
  const infra = await runInstaller(['infra', '--check'], environment);
  expect(infra.stdout).toMatch(/^missing {2}tflint [\s\S]*^missing {2}checkov /m);
  expect(infra.stdout).not.toMatch(/temporal|redis/);
});

test('the demo needs neither a browser nor what only tests break things with', async () => {
  const { stdout } = await runInstaller(['demo', '--check'], { PATH: empty, XDG_CACHE_HOME: empty });
  expect(stdout).not.toMatch(/chromium|strace/);
});

test('a machine where packages cannot be installed is told so in three lines', async () => {
  const { code, stdout, stderr } = await runInstaller([], { PATH: empty, XDG_CACHE_HOME: empty });
  expect([code, stdout]).toEqual([11, '']);
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^'.*redis-server.*not installed, and this machine has no apt-get$/),
    'MEANS: nothing was installed',
    expect.stringMatching(/^DO: \S/),
  ]);
});

test('a Temporal server that is named stands for one that would have to be built', async () => {
  const environment = { PATH: empty, XDG_CACHE_HOME: empty, TEMPORAL_ADDRESS: 'temporal.example:7233' };
  const demo = await runInstaller(['demo', '--check'], environment);
  expect(demo.stdout).toContain('temporal: the server at temporal.example:7233, because TEMPORAL_ADDRESS is set');
  const tests = await runInstaller(['test', '--check'], environment);
  expect(tests.stdout).toMatch(/^missing {2}temporal /m);
});
