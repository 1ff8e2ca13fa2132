import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import type { BackupFacts } from '../../../domain/manifest.ts';
import { type BrokerFixture, startFixture } from './broker-fixture.ts';

const COUNT = 2000;
const TYPES = ['classic', 'quorum', 'stream'] as const;
const CAPTURED = { quorum: { queues: 1, messages: COUNT }, stream: { queues: 1, messages: COUNT } };

describe('a broker with classic, quorum and stream queues', () => {
  let fixture: BrokerFixture;
  let facts: BackupFacts;
  let permissions: unknown;

  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.api('PUT', '/api/users/app', { password: 'app', tags: '' });
    await fixture.api('PUT', '/api/permissions/%2F/app', { configure: '.*', write: '.*', read: '.*' });
    await fixture.api('PUT', '/api/vhosts/second', {});
    await fixture.api('PUT', '/api/policies/%2F/limits', {
      ...{ pattern: '^bounded', definition: { 'max-length': 10 }, 'apply-to': 'queues' },
    });
    const { connection, channel } = await fixture.connect();
    await channel.assertExchange('orders', 'topic', { durable: true });
    for (const type of TYPES) {
      await channel.assertQueue(`q-${type}`, { arguments: { 'x-queue-type': type } });
      await channel.bindQueue(`q-${type}`, 'orders', `o.${type}.#`);
      for (let n = 0; n < COUNT; n += 1) channel.publish('orders', `o.${type}.eu`, Buffer.alloc(1024, n), message(n));
      await channel.waitForConfirms();
    }
    await fixture.api('PUT', '/api/vhost-limits/second/max-queues', { value: 7 });
    await fixture.api('PUT', '/api/queues/second/q-second', { durable: true });
    await fixture.api('POST', '/api/exchanges/second/amq.default/publish', {
      ...{ routing_key: 'q-second', payload: 'x', payload_encoding: 'string', properties: { delivery_mode: 2 } },
    });
    await channel.assertQueue('transient', { durable: false });
    channel.sendToQueue('transient', Buffer.from('gone by nature'));
    await channel.waitForConfirms();
    await connection.close();
    permissions = await fixture.api('GET', '/api/permissions');
    facts = await fixture.take('messages');
  });
  afterAll(() => fixture?.end());

  it('is looked at without any finding that would stop a backup', async () => {
    const seen = await createRabbitmq(fixture.deps).inspect({ site: 'here', kinds: ['messages'] });
    expect(seen.identity).toBe(fixture.broker.nodeName);
    expect(seen.findings.filter(({ level }) => level === 'failed')).toEqual([]);
    expect(seen.counts.queues).toBe(5);
  });

  it('gives every message of every type of queue to the backup, and says what is not in it', async () => {
    expect(facts.report.captured).toMatchObject({ ...CAPTURED, classic: { queues: 2, messages: COUNT + 1 } });
    expect(facts.counts.messages).toBe(3 * COUNT + 1);
    expect(facts.report.pauseMs).toBeLessThan(fixture.deps.configuration.freezeLimitMs);
    expect(facts.warnings.join()).toContain('1 transient or exclusive queues are not in it');
  });

  it('has a backup whose every record parses and adds up', async () => {
    const system = createRabbitmq(fixture.deps);
    const report = await system.checkBackup({ site: 'here', backup: facts, tier: null, run: 'check' });
    expect(report.findings.map(({ level }) => level)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok']);
  });

  it('says loudly that a backup of definitions holds no messages', async () => {
    const definitions = await fixture.take('definitions');
    expect(definitions.warnings).toEqual(['definitions only: messages are not in it']);
    expect(definitions.counts).toMatchObject({ queues: 5, messages: 0 });
    await fixture.restore(fixture.request(definitions, { target: 'scratch' }));
  });

  it('comes back the same in an isolated scratch broker', async () => {
    const system = createRabbitmq(fixture.deps);
    const plan = await system.planRestore(fixture.request(facts, { target: 'scratch' }));
    const result = await system.runRestoreStep({ plan, stepId: 'prove', input: {} });
    expect(result.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(result.facts.messages).toBe(3 * COUNT + 1);
  });

  it('gets deleted queues, users, policies and bindings back into the live broker, once', async () => {
    for (const type of TYPES) await fixture.api('DELETE', `/api/queues/%2F/q-${type}`);
    await fixture.api('DELETE', '/api/policies/%2F/limits');
    await fixture.api('DELETE', '/api/vhosts/second');
    await fixture.api('DELETE', '/api/users/app');
    await fixture.restore(fixture.request(facts, {}));
    const { connection, channel } = await fixture.connect();
    for (const type of TYPES) expect((await channel.checkQueue(`q-${type}`)).messageCount).toBe(COUNT);
    expect(await fixture.api('GET', '/api/vhost-limits/second')).toEqual([
      { vhost: 'second', value: { 'max-queues': 7 } },
    ]);
    const users = await fixture.api<{ name: string }[]>('GET', '/api/users');
    expect(users?.map(({ name }) => name).sort()).toEqual(['app', fixture.broker.user].sort());
    const second = await fixture.restore(fixture.request(facts, {}));
    expect(second.difference).toMatchObject({ missing: {}, messages: 0 });
    for (const type of TYPES) expect((await channel.checkQueue(`q-${type}`)).messageCount).toBe(COUNT);
    expect(await fixture.api('GET', '/api/permissions')).toEqual(expect.arrayContaining(permissions as unknown[]));
    expect(await readAll(channel, 'q-classic')).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    await connection.close();
  });

  it('gets one queue back under another name, and refuses to add to one that holds messages', async () => {
    const scope = { kind: 'queue' as const, names: { vhost: '/', queue: 'q-quorum' } };
    await expect(fixture.restore(fixture.request(facts, { scope }))).rejects.toMatchObject({
      code: 'TARGET_NOT_EMPTY',
    });
    await fixture.restore(fixture.request(facts, { scope, options: { into: 'q-copy' } }));
    const { connection, channel } = await fixture.connect();
    expect((await channel.checkQueue('q-copy')).messageCount).toBe(COUNT);
    await connection.close();
  });

  it('undoes a restore that stopped half way, and opens the doors again', async () => {
    await fixture.api('DELETE', '/api/queues/%2F/q-stream');
    const system = createRabbitmq(fixture.deps);
    const scope = { kind: 'queue' as const, names: { vhost: '/', queue: 'q-stream' } };
    const plan = await system.planRestore(fixture.request(facts, { scope }));
    const before = await fixture.api('GET', '/api/permissions');
    for (const stepId of ['lock', 'topology', 'messages']) await system.runRestoreStep({ plan, stepId, input: {} });
    expect(await fixture.api('GET', '/api/permissions')).not.toEqual(before);
    for (const stepId of ['messages', 'topology', 'lock']) await system.undoRestoreStep({ plan, stepId, input: {} });
    await system.finishRestore({ plan, outcome: 'undone' });
    expect(await fixture.api('GET', '/api/queues/%2F/q-stream')).toBeNull();
    expect(await fixture.api('GET', '/api/permissions')).toEqual(before);
  });

  it('refuses a plan that is no longer true', async () => {
    const system = createRabbitmq(fixture.deps);
    const scope = { kind: 'queue' as const, names: { vhost: '/', queue: 'q-stream' } };
    const plan = await system.planRestore(fixture.request(facts, { scope }));
    const { connection, channel } = await fixture.connect();
    await channel.assertQueue('q-stream', { arguments: { 'x-queue-type': 'stream', 'x-max-age': '1h' } });
    await connection.close();
    await expect(system.runRestoreStep({ plan, stepId: 'lock', input: {} })).rejects.toMatchObject({
      code: 'PLAN_CHANGED',
    });
    await expect(fixture.restore(fixture.request(facts, { scope }))).rejects.toMatchObject({ code: 'TARGET_UNSAFE' });
    await expect(
      fixture.restore(fixture.request(facts, { expectedIdentity: 'rabbit@elsewhere' })),
    ).rejects.toMatchObject({ code: 'TARGET_MISMATCH' });
  });
});

function message(n: number) {
  return {
    persistent: true,
    messageId: `m${n}`,
    timestamp: 1_700_000_000 + n,
    headers: { seq: n, nested: { a: [1, 'x'] } },
  };
}

async function readAll(channel: Awaited<ReturnType<BrokerFixture['connect']>>['channel'], queue: string) {
  const seen: number[] = [];
  await new Promise<void>((resolve) => {
    void channel.consume(queue, (one) => {
      seen.push(one?.properties.headers?.seq);
      if (seen.length === COUNT) resolve();
    });
  });
  return seen;
}
