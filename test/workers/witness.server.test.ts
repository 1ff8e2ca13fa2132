// `dr witness` as its user runs it, before a real Redis behind a front door that is shut as a network is.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type FrontDoor, openFrontDoor } from '../../local/front-door.ts';
import { type LocalRedis, startRedis } from '../../local/redis.ts';
import { freePort } from '../../local/servers.ts';
import { DR, dr } from '../client/dr.ts';
import { EXAMPLE } from '../domain/configuration/example.ts';

const PATIENT = { timeout: 60_000, interval: 50 };

interface Heard {
  readonly channel: string;
  readonly type: string;
  readonly data: { readonly message: string; readonly facts: Readonly<Record<string, string>> };
}

let directory: string;
let redis: LocalRedis;
let door: FrontDoor;
let receiver: Server;
let heard: Heard[];
let signs: number[];
/** Channels that take nothing now. */
const deaf = new Set<string>();
let names = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-witness-'));
  await chmod(directory, 0o755);
  await mkdir(join(directory, 'redis'));
  redis = await startRedis({ directory: join(directory, 'redis') });
  door = await openFrontDoor({ store: redis.port, shutBy: shutBy() });
  receiver = createServer(async (request, response) => {
    const body = JSON.parse(await text(request));
    const channel = (request.url ?? '').slice(1);
    if (deaf.has(channel)) return void response.writeHead(503).end();
    if (channel === 'alive') signs.push(Date.parse(body.at));
    else heard.push({ channel, ...body });
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  receiver?.closeAllConnections();
  receiver?.close();
  await door?.close();
  await redis?.stop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  [heard, signs] = [[], []];
  deaf.clear();
});

const shutBy = () => join(directory, 'shut');
const shut = () => writeFile(shutBy(), '');
const open = () => rm(shutBy(), { force: true });
const address = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/${path}`;
const secret = async (name: string, value: string) => {
  await writeFile(join(directory, name), value, { mode: 0o600 });
  return `\${file:${join(directory, name)}}`;
};
const told = (type: string, channel = 'chat') => heard.filter((one) => one.type === type && one.channel === channel);

interface Platform {
  readonly file: string;
  readonly witness: string;
}

/** A platform of two sites with a witness of its own that looks at the front door, and no Temporal. */
async function platformWith(settings: object): Promise<Platform> {
  const witness = join(directory, `witness-${names++}`);
  const example = parse(EXAMPLE);
  const hook = await secret('hook', 'a secret of the receiver');
  const configuration = {
    ...example,
    temporal: { address: `127.0.0.1:${await freePort()}` },
    sites: { ...example.sites, east: { workDirectory: '/w' } },
    notifications: ['pager', 'chat'].map((name) => ({ kind: 'webhook', name, url: address(name), secret: hook })),
    witness: {
      ...{ directory: witness, every: '200ms', downAfter: 2, clean: '6s' },
      probes: [{ check: 'redis', host: '127.0.0.1', port: door.port }],
      alive: { url: await secret('alive', address('alive')), every: '100ms' },
      ...settings,
    },
  };
  const file = `${witness}.yaml`;
  await writeFile(file, stringify(configuration));
  return { file, witness };
}

interface Watching {
  readonly child: ChildProcess;
  /** How often it logged this. */
  said(words: string): number;
  /** When it and all that it started are gone. */
  readonly gone: Promise<void>;
}

async function watch({ file }: Platform): Promise<Watching> {
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: '/nonexistent', TEMPORAL_CONFIG_FILE: '/nonexistent', NO_COLOR: '1' };
  const child = spawn(process.execPath, [DR, 'witness', '--config', file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => void lines.push(line));
  child.stdout.resume();
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await gone;
    await open();
  });
  const said = (words: string) => lines.filter((line) => line.includes(words)).length;
  await expect.poll(() => said('"watching"'), PATIENT).toBe(1);
  return { child, said, gone };
}

/** The public name is there again, or gone, and the witness has seen it. */
async function seen({ said }: Watching, change: () => Promise<unknown>, words: string): Promise<void> {
  const before = said(words);
  await change();
  await expect.poll(() => said(words), PATIENT).toBeGreaterThan(before);
}
const goes = (watching: Watching) => seen(watching, shut, '"not everything answers"');
const comes = (watching: Watching) => seen(watching, open, '"everything answers"');

const records = async ({ witness }: Platform) => {
  const folder = join(witness, 'ledger', 'outages');
  const found = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(found.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))));
};

test('faults 53: a platform that comes and goes is one outage with one alarm, also for a witness that was killed meanwhile', async () => {
  const platform = await platformWith({});
  const first = await watch(platform);
  const begun = new Date().toISOString();
  await goes(first);
  await expect.poll(() => told('outage.planned').length, PATIENT).toBe(1);
  await comes(first);
  await goes(first);
  first.child.kill('SIGKILL');
  await first.gone;
  const second = await watch(platform);
  for (const _ of [1, 2]) {
    await comes(second);
    await goes(second);
  }
  const backAt = new Date().toISOString();
  await comes(second);
  await expect.poll(() => told('outage.ended').length, PATIENT).toBe(1);
  for (const channel of ['chat', 'pager'])
    expect(heard.filter((one) => one.channel === channel).map(({ type }) => type)).toEqual([
      'outage.began',
      'outage.planned',
      'outage.ended',
    ]);
  const [down, up, ...more] = await records(platform);
  expect(more).toEqual([]);
  expect(down).toMatchObject({ what: 'down', platform: 'orders', by: 'the probe of 127.0.0.1' });
  expect(down.at > begun).toBe(true);
  expect(up.what).toBe('up');
  expect(up.at > backAt).toBe(true);
  expect(told('outage.began')[0]?.data.facts).toMatchObject({ since: down.at, next: 'dr failover plan --to east' });
  expect(told('outage.planned')[0]?.data.message).toContain('no failover could be planned: Temporal does not answer');
});

test('faults 78: while one channel takes nothing the other is told of the outage and of that, and it hears as soon as it can', async () => {
  deaf.add('pager');
  const watching = await watch(await platformWith({}));
  await goes(watching);
  await expect.poll(() => told('notification.failed').length, PATIENT).toBe(1);
  expect(told('notification.failed')[0]?.data.message).toContain("'pager' answered 503; 1 of 2 channels took it");
  expect(told('outage.began')).toHaveLength(1);
  deaf.delete('pager');
  await expect.poll(() => told('outage.began', 'pager').length, PATIENT).toBe(1);
  expect(told('outage.began')).toHaveLength(1);
});

test('faults 78: gives a sign of life only while it can do its work, and a full ledger keeps nobody from hearing', async () => {
  const platform = await platformWith({});
  const ledger = join(platform.witness, 'ledger');
  const watching = await watch(platform);
  await expect.poll(() => signs.length, PATIENT).toBeGreaterThan(0);
  await mkdir(platform.witness, { recursive: true });
  await writeFile(ledger, 'no folder');
  await goes(watching);
  await expect.poll(() => told('outage.began').length, PATIENT).toBe(1);
  const blockedAt = Date.now();
  const refused = () => watching.said('the ledger takes no record');
  const first = refused();
  await expect.poll(refused, PATIENT).toBeGreaterThan(first);
  const [before, lastAt] = [refused(), Date.now()];
  await expect.poll(refused, PATIENT).toBeGreaterThan(before + 3);
  const freedAt = Date.now();
  await rename(ledger, `${ledger}.away`);
  await expect.poll(() => signs.some((at) => at > freedAt), PATIENT).toBe(true);
  expect(signs.filter((at) => at > blockedAt && at <= lastAt)).toEqual([]);
  expect((await records(platform)).map(({ what }) => what)).toEqual(['down']);
  expect(told('outage.began')).toHaveLength(1);
});

test('dr witness --once shows what each probe hears, and refuses to look at nothing', async () => {
  const { file } = await platformWith({});
  const well = await dr(['witness', '--once', '--json', '--config', file]);
  expect([well.status, JSON.parse(well.stdout)]).toEqual([
    0,
    [{ probe: `redis at 127.0.0.1:${door.port}`, isWell: true, words: 'answers PING (127.0.0.1)' }],
  ]);
  await shut();
  const bad = await dr(['witness', '--once', '--config', file]);
  await open();
  expect([bad.status, bad.stdout]).toEqual([1, expect.stringContaining('FAILED  redis at')]);
  const nothing = await dr(['witness', '--config', (await platformWith({ probes: [] })).file]);
  expect([nothing.status, nothing.stderr]).toEqual([2, expect.stringContaining('DO: name it in witness.probes')]);
});
