import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import type { BackupFacts } from '../../../domain/manifest.ts';
import { makeCertificates } from '../../../local/certificates.ts';
import { type BrokerFixture, raiseAlarm, startFixture } from './broker-fixture.ts';
import { definitionsOf } from './odd-definitions.ts';

const COUNT = 300;
const KEPT = ['work', 'retry', 'dead'] as const;

describe('a broker that is reached by TLS and frozen by a hook', () => {
  let fixture: BrokerFixture;
  let facts: BackupFacts;
  let definitions: Record<string, string[]>;
  const frozen: string[] = [];

  const stateOf = async () => {
    const stat = await readFile(`/proc/${await fixture.broker.pid()}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  };
  // Each thread stops by itself, a moment after the signal: a hook returns when all of them have.
  const FREEZE =
    'kill -STOP "$1"; until ! grep -h "^State:" /proc/"$1"/task/*/status | grep -qv "T (stopped)"; do :; done';
  const hook = async (script: string) => ['/bin/sh', '-c', script, 'sh', `${await fixture.broker.pid()}`];
  const lose = async () => {
    await fixture.api('DELETE', '/api/vhosts/shop');
    await fixture.api('DELETE', '/api/users/app');
  };
  const shop = (user: string) => ({ user, vhost: 'shop', configure: '.*', write: '.*', read: '.*' });

  beforeAll(async () => {
    fixture = await startFixture({ byTls: true });
    const queue = (name: string, args: object) => ({
      ...{ vhost: 'shop', name, durable: true, auto_delete: false, arguments: args },
    });
    await fixture.api('PUT', '/api/vhosts/shop', {});
    await fixture.api('POST', '/api/definitions', {
      users: [{ name: 'app', tags: [], password_hash: '', hashing_algorithm: 'rabbit_password_hashing_sha256' }],
      permissions: [shop('app'), shop(fixture.broker.user)],
      queues: [
        queue('work', { 'x-queue-type': 'quorum', 'x-delivery-limit': 5 }),
        queue('retry', { 'x-message-ttl': 300_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'work' }),
        queue('dead', {}),
      ],
      exchanges: [
        { vhost: 'shop', name: 'e', type: 'topic', durable: true, auto_delete: false, internal: false, arguments: {} },
      ],
      bindings: KEPT.map((destination) => ({
        ...{ vhost: 'shop', source: 'e', destination, destination_type: 'queue', routing_key: '#', arguments: {} },
      })),
      policies: [
        {
          vhost: 'shop',
          name: 'p',
          pattern: '^dead$',
          definition: { 'max-length': COUNT },
          priority: 0,
          'apply-to': 'queues',
        },
      ],
    });
    const { connection, channel } = await fixture.connect('shop');
    for (let n = 0; n < COUNT; n += 1) channel.publish('e', `k.${n}`, Buffer.from(`m${n}`), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
    const freeze = { method: 'hook' as const, freeze: await hook(FREEZE), thaw: await hook('kill -CONT "$1"') };
    const configuration = { ...fixture.deps.configuration, freeze };
    facts = await fixture.take('messages', { configuration, onFrozen: async () => void frozen.push(await stateOf()) });
    definitions = await definitionsOf(fixture);
  });
  afterAll(() => fixture?.end());

  const counts = async () => {
    const { connection, channel } = await fixture.connect('shop');
    const found: number[] = [];
    for (const name of KEPT) found.push((await channel.checkQueue(name)).messageCount);
    await connection.close();
    return found;
  };

  it('is backed up whole, stands still only while the hook holds it, and goes on afterwards', async () => {
    expect(frozen).toEqual(['T']);
    expect(await stateOf()).not.toBe('T');
    expect(facts.counts.messages).toBe(KEPT.length * COUNT);
  });

  it('is not talked to when its certificate is of another authority', async () => {
    const [other] = await makeCertificates(join(fixture.deps.workDirectory, 'other'), ['other']);
    const configuration = { ...fixture.deps.configuration, tlsRootFile: String(other?.chain) };
    await expect(fixture.take('definitions', { configuration })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  it('faults 3: comes back once when every step of the restore is done twice', async () => {
    await lose();
    const system = createRabbitmq(fixture.deps);
    const plan = await system.planRestore(fixture.request(facts, {}));
    for (const { id: stepId } of plan.steps)
      for (const _ of ['done', 'and its acknowledgement lost'])
        await system.runRestoreStep({ plan, stepId, input: {} });
    for (const _ of ['done', 'and its acknowledgement lost'])
      await system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await definitionsOf(fixture)).toEqual(definitions);
    expect(await counts()).toEqual([COUNT, COUNT, COUNT]);
  });

  it('faults 43: gets the rest of definitions that were only half imported, a user without a hash included', async () => {
    await lose();
    const system = createRabbitmq(fixture.deps);
    const plan = await system.planRestore(fixture.request(facts, {}));
    await system.runRestoreStep({ plan, stepId: 'lock', input: {} });
    // What an import leaves that was killed in the middle: some sections, and of them some entries.
    await fixture.api('PUT', '/api/vhosts/shop', {});
    await fixture.api('PUT', '/api/exchanges/shop/e', { type: 'topic', durable: true });
    await fixture.api('PUT', '/api/queues/shop/dead', { durable: true });
    for (const { id: stepId } of plan.steps.slice(1)) await system.runRestoreStep({ plan, stepId, input: {} });
    await system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await definitionsOf(fixture)).toEqual(definitions);
    expect(await counts()).toEqual([COUNT, COUNT, COUNT]);
  });

  it('faults 43: is not said to be restored when a definition is missing or another than in the backup', async () => {
    await lose();
    const system = createRabbitmq(fixture.deps);
    const plan = await system.planRestore(fixture.request(facts, {}));
    const run = (stepId: string) => system.runRestoreStep({ plan, stepId, input: {} });
    for (const stepId of ['lock', 'topology', 'messages', 'policies']) await run(stepId);
    await fixture.api('DELETE', '/api/policies/shop/p');
    await expect(run('verify')).rejects.toMatchObject({
      code: 'RESTORE_MISMATCH',
      message: expect.stringContaining('"name":"p"'),
    });
    await run('policies');
    for (const stepId of ['verify', 'open', 'links']) await run(stepId);
    await system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await definitionsOf(fixture)).toEqual(definitions);
  });

  it('ends as held back when an alarm of the broker lasts, and goes on behind what was confirmed', async () => {
    await lose();
    const patient = createRabbitmq(fixture.deps);
    const system = createRabbitmq({ ...fixture.deps, fillPatienceMs: 1500 });
    const plan = await system.planRestore(fixture.request(facts, {}));
    for (const stepId of ['lock', 'topology']) await system.runRestoreStep({ plan, stepId, input: {} });
    await raiseAlarm(fixture, true);
    const messages = { plan, stepId: 'messages', input: {} };
    await expect(system.runRestoreStep(messages)).rejects.toMatchObject({
      code: 'STORE_HELD_BACK',
      message: expect.stringContaining('low on memory'),
    });
    await raiseAlarm(fixture, false);
    for (const { id: stepId } of plan.steps.slice(2)) await patient.runRestoreStep({ plan, stepId, input: {} });
    await patient.finishRestore({ plan, outcome: 'succeeded' });
    expect(await definitionsOf(fixture)).toEqual(definitions);
    expect(await counts()).toEqual([COUNT, COUNT, COUNT]);
  });

  it('gets a queue that holds messages back beside it, without its limits; nothing that is there changes', async () => {
    const scope = { kind: 'queue' as const, names: { vhost: 'shop', queue: 'retry' } };
    await expect(fixture.restore(fixture.request(facts, { scope }))).rejects.toMatchObject({
      code: 'TARGET_NOT_EMPTY',
    });
    await fixture.restore(fixture.request(facts, { scope, options: { into: 'retry, as it was' } }));
    const beside = await fixture.api<{ arguments: object }>('GET', '/api/queues/shop/retry%2C%20as%20it%20was');
    expect(beside?.arguments).not.toHaveProperty('x-message-ttl');
    expect(await counts()).toEqual([COUNT, COUNT, COUNT]);
    const { connection, channel } = await fixture.connect('shop');
    expect((await channel.checkQueue('retry, as it was')).messageCount).toBe(COUNT);
    await connection.close();
    await expect(fixture.restore(fixture.request(facts, { options: { into: 'all' } }))).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(fixture.restore(fixture.request(facts, { options: { inot: 'x' } }))).rejects.toMatchObject({
      code: 'USAGE',
    });
  });

  it('faults 12: a proof for which the work folder has no room ends with NO_SPACE and leaves nothing in it', async () => {
    const workDirectory = join(fixture.deps.workDirectory, 'small');
    await mkdir(workDirectory, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', workDirectory]);
    try {
      const system = createRabbitmq({ ...fixture.deps, workDirectory });
      const plan = await system.planRestore(fixture.request(facts, { target: 'scratch' }));
      await expect(system.runRestoreStep({ plan, stepId: 'prove', input: {} })).rejects.toMatchObject({
        code: 'NO_SPACE',
        details: { needBytes: expect.any(Number) },
      });
      expect(execFileSync('find', [workDirectory, '-type', 'f']).toString()).toBe('');
    } finally {
      execFileSync('umount', [workDirectory]);
    }
  });
});
