import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainQueue, EndMarks } from '../../../activities/rabbitmq/drain.ts';
import { fillQueue } from '../../../activities/rabbitmq/fill.ts';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import type { IsolatedNode } from '../../../activities/rabbitmq/isolated-node.ts';
import { liveBroker } from '../../../activities/rabbitmq/live-broker.ts';
import { readRecords } from '../../../activities/rabbitmq/message-records.ts';
import type { BackupFacts } from '../../../domain/manifest.ts';
import { type BrokerFixture, startFixture, until } from './broker-fixture.ts';
import { type Load, startLoad } from './live-load.ts';

const TYPES = ['classic', 'quorum', 'stream'] as const;

describe('a broker at work', () => {
  let fixture: BrokerFixture;
  let loads: readonly Load[];
  let facts: BackupFacts;
  let backupEndedAt: number;

  beforeAll(async () => {
    fixture = await startFixture();
    loads = await Promise.all(TYPES.map((type) => startLoad(fixture, type)));
    await until(async () => (loads.every((load) => load.confirmed.size > 500) ? true : null));
    facts = await fixture.take('messages');
    backupEndedAt = Date.now();
    await until(async () => (loads.every((load) => load.lastDeliveryAt() > backupEndedAt) ? true : null));
    await Promise.all(loads.map((load) => load.end()));
  });
  afterAll(() => fixture?.end());

  it('has every message in the backup that was confirmed before the cut and not acknowledged by its end, in order', async () => {
    const cutAt = Date.parse(facts.momentAt);
    for (const load of loads) {
      const captured = await capturedNumbers(fixture, facts, `//${load.queue}`);
      const wanted = [...load.confirmed].filter(
        ([n, at]) =>
          at < cutAt && (load.acknowledged.get(n) ?? Number.POSITIVE_INFINITY) > cutAt + Number(facts.report.pauseMs),
      );
      const held = new Set(captured);
      expect(wanted.length).toBeGreaterThan(100);
      expect(wanted.filter(([n]) => !held.has(n))).toEqual([]);
      expect(captured).toEqual([...captured].sort((a, b) => a - b));
      expect(held.size).toBe(captured.length);
    }
  });

  it('goes on serving: nobody starves, nothing is delivered twice, no delivery is counted', () => {
    for (const load of loads) {
      expect(load.redelivered).toBe(0);
      expect(load.deliveryCounts).toBe(0);
      expect(load.lastDeliveryAt()).toBeGreaterThan(backupEndedAt);
    }
    expect(facts.report.pauseMs).toBeLessThanOrEqual(fixture.deps.configuration.freezeLimitMs);
  });

  it('is not frozen when the pause would be too long', async () => {
    let wasFrozen = false;
    const configuration = { ...fixture.deps.configuration, freezeLimitMs: 50 };
    const onFrozen = () => {
      wasFrozen = true;
    };
    await expect(fixture.take('messages', { configuration, onFrozen })).rejects.toMatchObject({
      code: 'FREEZE_TOO_LONG',
    });
    expect(wasFrozen).toBe(false);
  });

  it('is thawed at the limit when the copy is not done, and that copy is thrown away', async () => {
    const pid = await fixture.broker.pid();
    const configuration = { ...fixture.deps.configuration, freezeLimitMs: 3000 };
    const states: string[] = [];
    const onFrozen = async () => {
      states.push(stateOf(pid));
      await until(async () => (stateOf(pid) === 'T' ? null : true));
      states.push('thawed');
    };
    await expect(fixture.take('messages', { configuration, onFrozen })).rejects.toMatchObject({
      code: 'FREEZE_TOO_LONG',
    });
    expect(states).toEqual(['T', 'thawed']);
  });

  it('faults 10: is thawed when the whole process group of the worker is killed while it stands still', async () => {
    const pid = await fixture.broker.pid();
    const { workDirectory } = fixture.deps;
    // A limit far beyond what is waited for: what thaws the broker is the death of the worker.
    const configuration = { ...fixture.deps.configuration, freezeLimitMs: 300_000 };
    const spec = JSON.stringify({ configuration, workDirectory, backups: join(workDirectory, 'killed-backups') });
    const script = fileURLToPath(new URL('./frozen-worker.ts', import.meta.url));
    const worker = spawn(process.execPath, [script, spec], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => {
      worker.stdout.once('data', resolve);
      worker.once('exit', (code) => reject(new Error(`the worker ended with ${code} before it froze the broker`)));
    });
    expect(stateOf(pid)).toBe('T');
    process.kill(-(worker.pid as number), 'SIGKILL');
    await until(async () => (stateOf(pid) === 'T' ? null : true));
    const { connection, channel } = await fixture.connect();
    await channel.assertQueue('after-the-kill');
    channel.sendToQueue('after-the-kill', Buffer.from('served'), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
  });

  it('is never read: draining anything but an isolated clone is refused', async () => {
    const broker = await liveBroker(fixture.deps.configuration);
    const live = { ...broker, admin: broker.credentials } as unknown as IsolatedNode;
    const queue = { vhost: '/', name: 'q-classic' };
    const drain = drainQueue(live, queue, 'classic', { marks: new EndMarks(), index: 0 });
    await expect(drain.next()).rejects.toMatchObject({ code: 'LIVE_QUEUE_READ_REFUSED' });
  });

  it('is filled once and in order, however often the filling stops in the middle', async () => {
    const { endpoint, credentials } = await liveBroker(fixture.deps.configuration);
    const { connection, channel } = await fixture.connect();
    await channel.assertQueue('refilled', { arguments: { 'x-queue-type': 'quorum' } });
    const rules = { mayImpersonate: false, holdExpiration: false, dropsDeaths: false };
    const total = 5000;
    const captured = { artifacts: [], messages: total, bytes: 0, ordered: '', unordered: '' };
    const fill = (stop: number, begin: (() => Promise<void>) | null) =>
      fillQueue({ endpoint, credentials, rules }, { vhost: '/', name: 'refilled' }, captured, {
        records: numbered(total, stop),
        begin,
        notes: null,
      });
    await expect(fill(1234, async () => undefined)).rejects.toThrow('the worker is gone');
    await expect(fill(3456, null)).rejects.toThrow('the worker is gone');
    // What the lost attempts had not landed is sent again, and nothing besides.
    const { published: sent } = await fill(total, null);
    expect(sent).toBeGreaterThanOrEqual(total - 3456);
    expect(sent).toBeLessThan(total);
    expect((await fill(total, null)).published).toBe(0);
    const seen: number[] = [];
    await channel.consume('refilled', (one) => seen.push(one?.content.readUInt32BE(0) ?? -1), { noAck: true });
    await until(async () => (seen.length === total ? true : null));
    expect(seen).toEqual(Array.from({ length: total }, (_, n) => n));
    await connection.close();
  });

  it('is filled with every message at least once, however often it stops, where a queue lets messages go by itself', async () => {
    const { endpoint, credentials } = await liveBroker(fixture.deps.configuration);
    const { connection, channel } = await fixture.connect();
    await channel.assertQueue('fallen');
    await channel.assertQueue('brief', { messageTtl: 1, deadLetterExchange: '', deadLetterRoutingKey: 'fallen' });
    const rules = { mayImpersonate: false, holdExpiration: false, dropsDeaths: false };
    const total = 5000;
    const captured = { artifacts: [], messages: total, bytes: 0, ordered: '', unordered: '' };
    const notes = { confirmed: 0, note: async (confirmed: number) => void Object.assign(notes, { confirmed }) };
    const fill = (stop: number, begin: (() => Promise<void>) | null) =>
      fillQueue({ endpoint, credentials, rules }, { vhost: '/', name: 'brief' }, captured, {
        ...{ records: numbered(total, stop), begin, notes: { ...notes } },
      });
    await expect(fill(1234, async () => undefined)).rejects.toThrow('the worker is gone');
    await expect(fill(3456, null)).rejects.toThrow('the worker is gone');
    const outcome = await fill(total, null);
    expect(outcome).toEqual({ published: total - 3000, refused: 0, mayBeTwice: 1000 });
    expect(notes.confirmed).toBe(total);
    const seen: number[] = [];
    await channel.consume('fallen', (one) => seen.push(one?.content.readUInt32BE(0) ?? -1), { noAck: true });
    await until(async () => (new Set(seen).size === total ? true : null));
    // 1000 to 1233 and 3000 to 3455 were sent again, and nothing besides.
    expect(seen.length).toBeLessThanOrEqual(total + 234 + 456);
    await connection.close();
  });

  it('is told what a limit of its own refuses while it is filled', async () => {
    const { endpoint, credentials } = await liveBroker(fixture.deps.configuration);
    await fixture.api('PUT', '/api/queues/%2F/small', {
      durable: true,
      arguments: { 'x-max-length': 3, 'x-overflow': 'reject-publish', 'x-queue-type': 'quorum' },
    });
    const rules = { mayImpersonate: false, holdExpiration: false, dropsDeaths: false };
    const captured = { artifacts: [], messages: 500, bytes: 0, ordered: '', unordered: '' };
    const notes = { confirmed: 0, note: async () => undefined };
    const outcome = await fillQueue({ endpoint, credentials, rules }, { vhost: '/', name: 'small' }, captured, {
      ...{ records: numbered(500, 500), begin: async () => undefined, notes },
    });
    const { connection, channel } = await fixture.connect();
    const { messageCount } = await channel.checkQueue('small');
    expect(outcome.refused).toBe(500 - messageCount);
    await connection.close();
  });

  it('says which of wrong password, unreachable and no file access it is', async () => {
    const { configuration } = fixture.deps;
    const taking = (over: object) => fixture.take('messages', { configuration: { ...configuration, ...over } });
    await expect(taking({ user: 'nobody' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(taking({ management: 'http://127.0.0.1:1' })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(taking({ dataDirectory: undefined })).rejects.toMatchObject({ code: 'NO_FILE_ACCESS' });
    const { dataDirectory: _, ...managed } = configuration;
    const system = createRabbitmq({ ...fixture.deps, configuration: managed });
    const { findings } = await system.inspect({ site: 'here', kinds: ['messages'] });
    expect(findings).toContainEqual(expect.objectContaining({ level: 'failed', code: 'NO_FILE_ACCESS' }));
  });

  it('leaves no clone and no copy behind', async () => {
    await expect(access(join(fixture.deps.workDirectory, 'run-1', 'rabbitmq-b1-messages'))).rejects.toThrow('ENOENT');
  });
});

async function capturedNumbers(fixture: BrokerFixture, facts: BackupFacts, subject: string): Promise<number[]> {
  const stored = await fixture.deps.reader.open(facts);
  const numbers: number[] = [];
  for (const { name } of facts.artifacts.filter((artifact) => artifact.subject === subject)) {
    for await (const event of readRecords(stored.read(name)))
      if (event.kind === 'message') numbers.push(event.message.body.readUInt32BE(0));
  }
  return numbers;
}

/** Records numbered from 0; before record `stop` the reading ends as when the worker dies. */
function numbered(total: number, stop: number) {
  const empty = Buffer.alloc(0);
  return async function* () {
    for (let n = 0; n < total; n += 1) {
      if (n === stop) throw new Error('the worker is gone');
      const properties = Buffer.from([0, 0]);
      yield { order: n, redelivered: false, exchange: empty, routingKey: empty, properties, body: number(n) };
    }
  };
}

function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
}

function number(n: number): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32BE(n);
  return body;
}
