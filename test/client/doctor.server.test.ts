// `dr doctor` on machines where something is missing: without Temporal, without a tool, with a wrong key.
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { type LocalRoute53, startRoute53 } from '../../local/route53.ts';
import { freePort } from '../../local/servers.ts';
import { type RunningTemporal, startTemporal } from '../../local/temporal.ts';
import { dr } from './dr.ts';

let directory: string;
let platform: string;
let temporal: RunningTemporal;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-doctor-'));
  platform = join(directory, 'orders');
  temporal = await startTemporal({ directory: join(directory, 'temporal') });
  const described = await dr(['init', '--directory', platform, '--config-root', directory, '--pattern', '*.env']);
  await writeFile(join(directory, 'app.env'), 'A=1\n');
  expect(described.stderr).toBe('');
  await rm(join(platform, 'keys/escrow.key'));
});

afterAll(async () => {
  await temporal?.stop();
  await rm(directory, { recursive: true, force: true });
});

const doctor = async (env: Record<string, string> = {}, file = 'holdfast.yaml') => {
  const end = await dr(['doctor', '--json', '--config', join(platform, file)], {
    env: { TEMPORAL_ADDRESS: temporal.address, ...env },
  });
  const { sections } = JSON.parse(end.stdout) as { sections: { title: string; findings: Finding[] }[] };
  const failed = sections.flatMap(({ findings }) => findings).filter(({ level }) => level === 'failed');
  return { ...end, sections, failed };
};

describe('dr doctor', () => {
  it('finds everything well but the workers that do not run yet', async () => {
    const { status, failed, sections } = await doctor();
    expect(failed).toEqual([]);
    expect(status).toBe(3);
    const findings = sections.flatMap((section) => section.findings);
    expect(findings).toContainEqual({
      level: 'warning',
      subject: 'queue control',
      message: 'no worker polls it: runs would wait',
      code: 'NO_WORKER',
      mend: 'dr worker --queue control',
    });
    expect(findings).toContainEqual(expect.objectContaining({ subject: 'tier local', level: 'ok' }));
  });

  it('works without Temporal and tells that it is not there', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const { status, failed, sections } = await doctor({ TEMPORAL_ADDRESS: address });
    expect(failed.map(({ code }) => code)).toEqual(['NO_TEMPORAL']);
    expect(status).toBe(7);
    expect(sections.map(({ title }) => title)).toContain('repository');
  });

  it('names a tool that is missing and what installs it', async () => {
    const { status, failed } = await doctor({ PATH: directory });
    expect(failed.map(({ subject }) => subject)).toEqual(['tool setpriv', 'tool unshare']);
    expect(failed[0]?.message).toBe(
      "'setpriv' is not on this machine\nMEANS: this step cannot run on this machine\nDO: install it (apt-get install util-linux), then run 'dr doctor'",
    );
    expect(status).toBe(11);
  });

  it('tells a secret file that others can read, and how to close it', async () => {
    const key = join(platform, 'keys/restore.key');
    await chmod(key, 0o644);
    const { status, failed } = await doctor();
    await chmod(key, 0o600);
    expect(failed[0]?.message).toContain(`DO: run 'chmod 600 ${key}'`);
    expect(status).toBe(4);
  });

  it('tells a private key that does not fit its public half', async () => {
    const own = join(platform, 'keys/restore.pub');
    await rename(own, `${own}.kept`);
    const { stdout } = await dr(['init', '--directory', join(directory, 'other')]);
    expect(stdout).toContain('other/keys/restore.pub');
    await rename(join(directory, 'other/keys/restore.pub'), own);
    const { status, failed } = await doctor();
    await rename(`${own}.kept`, own);
    expect(failed[0]?.message).toContain(`the private key 'restore' does not fit '${own}'\nMEANS: `);
    expect(status).toBe(10);
  });
});

describe('dr doctor about DNS', () => {
  let gate: LocalRoute53;

  beforeAll(async () => {
    gate = await startRoute53({
      zoneName: 'orders.example',
      records: [{ name: 'app.orders.example.', type: 'A', ttl: 3600, values: ['127.0.10.1'] }],
    });
    const configuration = parseDocument(await readFile(join(platform, 'holdfast.yaml'), 'utf8'));
    const addresses = { 'app.orders.example': ['127.0.10.1'] };
    configuration.setIn(['sites', String(configuration.get('activeSite')), 'dns'], { addresses });
    configuration.set('dns', {
      zone: gate.zoneId,
      name: 'orders.example',
      endpoint: gate.endpoint,
      accessKeyId: '${env:ROUTE53_ID}',
      secretAccessKey: '${env:ROUTE53_SECRET}',
      records: [{ name: 'app.orders.example', type: 'A' }],
      authoritativeServers: gate.nameServers.map(({ address }) => address),
    });
    await writeFile(join(platform, 'with-dns.yaml'), configuration.toString());
  });

  afterAll(() => gate?.close());

  const dnsSection = async () => {
    const account = { ROUTE53_ID: gate.accessKeyId, ROUTE53_SECRET: gate.secretAccessKey };
    const { sections } = await doctor(account, 'with-dns.yaml');
    const findings = sections.find(({ title }) => title === 'DNS')?.findings ?? [];
    return findings.map(({ level, subject, message }) => `${level}: ${subject}: ${message.split('\n')[0]}`);
  };

  it('tells the zone, TTLs above the budget, the epoch record, who serves, the second switch and every server', async () => {
    expect(await dnsSection()).toEqual([
      `ok: zone ${gate.zoneId}: orders.example, Route 53 answers`,
      'warning: record app.orders.example A: TTL 3600 s: clients may hold the old address that long after a move, and the budget is 60 s',
      'ok: epoch record _holdfast-epoch.orders.example: not there yet: the first move makes it',
      expect.stringMatching(/^ok: traffic: goes to /),
      "warning: second switch: there is none: while Route 53's change API is down, traffic cannot be moved; see dns.healthCheck",
      ...gate.nameServers.map(({ address }) => `ok: name server ${address}: app.orders.example A: 127.0.10.1`),
    ]);
  });

  it('faults 58: tells a change API that is away, and what the servers say all the same', async () => {
    gate.fate = () => 'drop';
    const [zone, ...servers] = await dnsSection();
    gate.fate = () => 'answer';
    expect(zone).toMatch(/^failed: zone: Route 53 failed at route53:/);
    expect(servers).toEqual(
      gate.nameServers.map(({ address }) => `ok: name server ${address}: app.orders.example A: 127.0.10.1`),
    );
  });
});
