// The command itself: help, exit codes, errors, and what happens where something is missing.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../local/servers.ts';
import { EXAMPLE, exampleWith } from '../domain/configuration/example.ts';
import { dr } from './dr.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'holdfast-command-'));
  await writeFile(join(cwd, 'holdfast.yaml'), EXAMPLE);
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

describe('dr', () => {
  it('shows examples first, then the commands and every exit code', async () => {
    const { status, stdout, stderr } = await dr(['--help']);
    expect(stdout).toMatch(
      /^Examples:\n {2}dr init [\s\S]*Usage: dr [\s\S]*backups {2}[\s\S]*Exit codes: 0 done, 1 failed/,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('does not know commands that are not there, and names the nearest', async () => {
    const { status, stdout, stderr } = await dr(['backps']);
    expect(stderr).toBe(
      "unknown command 'backps' (Did you mean backups?)\nMEANS: nothing was started\nDO: see 'dr --help'\n",
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('tells an unknown option as data when data was asked for', async () => {
    const { status, stdout, stderr } = await dr(['backup', '--al', '--json'], { cwd });
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', exit: 2, message: expect.stringContaining("'--al'") },
    });
    expect({ status, stderr }).toEqual({ status: 2, stderr: '' });
  });

  it('faults 32: knows no way to force retention', async () => {
    const { status, stderr } = await dr(['retention', 'apply', '--force', '--confirm', 'orders'], { cwd });
    expect(stderr).toContain("'--force'");
    expect(status).toBe(2);
  });

  it('shows keys in KMS by their ARN, beside those whose private half lies in a file', async () => {
    const arn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const file = join(cwd, 'kms.yaml');
    await writeFile(
      file,
      exampleWith(['    private:\n', `    kms:\n      - { name: kms-west, arn: "${arn}" }\n    private:\n`]),
    );
    const { status, stdout } = await dr(['keys', 'show', '--json', '--config', file]);
    expect(JSON.parse(stdout).keys).toContainEqual({
      ...{ purpose: 'data', name: 'kms-west', keyId: arn, privateHalf: 'in KMS', opens: null },
    });
    expect(status).toBe(3); // The public keys of the example lie nowhere.
  });

  it('tells where it looked when there is no configuration', async () => {
    const { status, stderr } = await dr(['config', 'check'], { cwd: '/' });
    expect(stderr).toBe(
      "there is no configuration (looked for holdfast.yaml, /etc/holdfast/holdfast.yaml)\nMEANS: nothing was started\nDO: name the file with --config FILE, or make one with 'dr init'\n",
    );
    expect(status).toBe(2);
  });

  it('tells every line of a wrong configuration', async () => {
    const file = join(cwd, 'wrong.yaml');
    await writeFile(
      file,
      exampleWith(['host:', 'hst:'], ['activeSite: west', 'activeSite: east'], ['spool:', 'spol:']),
    );
    const { status, stderr } = await dr(['backup', '--all', '--config', file]);
    expect(stderr).toContain(
      `${file}:8:7: error: sites.west.postgres.hst: 'hst' is not a setting here: did you mean 'host'?`,
    );
    expect(stderr).toContain("repository.spol: 'spol' is not a setting here: did you mean 'spool'?");
    expect(stderr).toMatch(/has \d errors\nMEANS: nothing was started\nDO: mend the lines named above/);
    expect(status).toBe(2);
  });

  it('shows the configuration with its defaults and without a secret', async () => {
    const { stdout } = await dr(['config', 'show', '--json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({ objectives: { redis: { rpo: '900s' } } });
    expect(stdout).toContain('${file:/etc/holdfast/secrets/postgres}');
  });

  it('says within seconds that there is no Temporal, and what works without it', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    for (const args of [['backup', '--all'], ['runs', 'list'], ['schedule', 'apply'], ['verify']]) {
      const { status, stdout, stderr } = await dr(args, { cwd, env: { TEMPORAL_ADDRESS: address } });
      expect(stderr).toBe(
        `Temporal does not answer at '${address}' (ECONNREFUSED)\nMEANS: no workflow can be started or asked\nDO: start it, or set TEMPORAL_ADDRESS; without it work 'dr doctor', and with --without-temporal 'dr backups list'\n`,
      );
      expect({ status, stdout }).toEqual({ status: 7, stdout: '' });
    }
  });

  it('runs on an older Node by handing over to its own', async () => {
    const version = await promisify(execFile)('/usr/bin/node', ['--version']).catch(() => null);
    const old = version !== null && Number(version.stdout.slice(1).split('.')[0]) < 22;
    const node = old ? '/usr/bin/node' : process.execPath;
    const { stdout, stderr } = await promisify(execFile)(node, [
      join(import.meta.dirname, '../../client/dr.mjs'),
      '--help',
    ]);
    expect(stdout).toContain('Usage: dr');
    expect(stderr).toBe('');
  });
});
