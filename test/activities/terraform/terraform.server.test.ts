// The real Terraform, its state and lock in a real S3.
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { withScope } from '../../../activities/shared/activity-context.ts';
import type { LocalS3 } from '../../../local/s3.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { applying, type Ground, newGround, SECRET, startStateStore } from './ground.ts';

const RUN = { site: 'east', run: 'failover/orders/1' };
const OTHER = { site: 'east', run: 'by hand' };
const SLOWLY = { timeout: 60_000, interval: 50 };

let directory: string;
let s3: LocalS3;
let ground: Ground;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-states-'));
  s3 = await startStateStore(directory);
});
afterAll(async () => {
  await s3?.stop();
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => ground?.remove());

const named = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'quick']));
const made = async (servers: Record<string, string>) => {
  const terraform = ground.terraform({ variables: { servers } });
  const { digest } = await terraform.planChanges(OTHER);
  await terraform.applyPlan({ ...OTHER, digest });
  await terraform.discardPlan(OTHER);
};

describe('a plan of Terraform', () => {
  it('is applied as it was shown, once, and nothing of it is left', async () => {
    ground = await newGround(s3);
    const terraform = ground.terraform({ variables: { servers: named('a', 'b') } });
    const plan = await terraform.planChanges(RUN);
    expect(plan.changes.map(({ action, address }) => `${action} ${address}`).sort()).toEqual([
      'create terraform_data.server["a"]',
      'create terraform_data.server["b"]',
    ]);
    expect(ground.made()).toEqual([]);
    const applied = await terraform.applyPlan({ ...RUN, digest: plan.digest });
    expect([applied.done, applied.outputs]).toEqual([2, { servers: '["a","b"]' }]);
    expect(await terraform.applyPlan({ ...RUN, digest: plan.digest })).toEqual(applied);
    expect([...ground.made()].sort()).toEqual(['a', 'b']);
    expect((await terraform.planChanges(RUN)).changes).toEqual([]);
    expect(ground.leftFiles()).toEqual([]);
  });

  it('keeps its state in a file where that is configured', async () => {
    ground = await newGround(s3, 'local');
    await made(named('a'));
    expect(readFileSync(join(ground.folder, 'witness/east.tfstate'), 'utf8')).toContain('terraform_data');
  });

  it('is refused when the state has moved on since, or when its file is another one', async () => {
    ground = await newGround(s3);
    const terraform = ground.terraform({ variables: { servers: named('a') } });
    const { digest } = await terraform.planChanges(RUN);
    const [file = ''] = ground.leftFiles();
    await made(named('b'));
    const refused = expect.objectContaining({ code: 'PLAN_CHANGED' });
    await expect(terraform.applyPlan({ ...RUN, digest })).rejects.toEqual(refused);
    appendFileSync(file, ' ');
    await expect(terraform.applyPlan({ ...RUN, digest })).rejects.toEqual(refused);
    await terraform.discardPlan(RUN);
    await expect(terraform.applyPlan({ ...RUN, digest: '../../x' })).rejects.toEqual(refused);
    expect(ground.made()).toEqual(['b']);
  });

  it.each([
    ['types', ['terraform_data']],
    ['addresses', ['terraform_data.server']],
  ])('faults 57: is refused when it replaces or destroys what holds data, named by %s', async (_, stateful) => {
    ground = await newGround(s3);
    await made(named('a', 'b'));
    const replacing = ground.terraform({ stateful, variables: { servers: named('a', 'b'), disk: 'two' } });
    await expect(replacing.planChanges(RUN)).rejects.toMatchObject({
      code: 'TERRAFORM_REFUSED',
      message: expect.stringMatching(/REPLACES terraform_data.server\["a"\] \(holds data\); .*\["b"\]/),
    });
    const destroying = ground.terraform({ stateful, variables: { servers: named('a') } });
    await expect(destroying.planChanges(RUN)).rejects.toMatchObject({ code: 'TERRAFORM_REFUSED' });
    expect([...ground.made()].sort()).toEqual(['a', 'b']);
    expect(ground.leftFiles()).toEqual([]);
  });

  it('takes names from outside for data, and lets no secret out of it', async () => {
    ground = await newGround(s3);
    const hostile = ['$(touch made)', '`id`', '"; exit 1; "', '\u001b[31m<b>|', '-destroy', '${file("/etc/passwd")}'];
    const servers = { ...named(...hostile), bad: 'bad' };
    const terraform = ground.terraform({ variables: { servers } });
    const { digest, changes } = await terraform.planChanges(RUN);
    expect(changes).toHaveLength(hostile.length + 1);
    for (const file of ground.leftFiles()) expect(statSync(file).mode & 0o777).toBe(0o600);
    const failure = await terraform.applyPlan({ ...RUN, digest }).catch((error: Error) => error);
    expect(failure).toMatchObject({ code: 'TERRAFORM_FAILED', message: expect.stringContaining('the password is …') });
    expect(JSON.stringify([failure, String(failure)])).not.toContain(SECRET);
    expect([...ground.made()].sort()).toEqual([...hostile].sort());
    for (const file of ground.leftFiles()) expect(readFileSync(file, 'latin1')).not.toContain(s3.secretAccessKey);
  });
});

describe('an apply that stops on the way', () => {
  it('faults 55: keeps what it has made, and goes on with the rest and nothing else', async () => {
    ground = await newGround(s3);
    const stateful = ['terraform_data'];
    const terraform = ground.terraform({ stateful, variables: { servers: { ...named('a', 'b'), c: 'bad' } } });
    const { digest } = await terraform.planChanges(RUN);
    await expect(terraform.applyPlan({ ...RUN, digest })).rejects.toMatchObject({ code: 'TERRAFORM_FAILED' });
    expect([...ground.made()].sort()).toEqual(['a', 'b']);
    const more = ground.terraform({ variables: { servers: { ...named('a', 'b', 'd'), c: 'bad' } } });
    await ground.allow('mended');
    await expect(more.applyPlan({ ...RUN, digest })).rejects.toMatchObject({
      code: 'PLAN_CHANGED',
      message: expect.stringContaining('terraform_data.server["d"]'),
    });
    expect((await terraform.applyPlan({ ...RUN, digest })).done).toBe(1);
    expect(ground.made().slice(-1)).toEqual(['c']);
    expect(ground.made()).toHaveLength(3);
  });

  it('is ended gently by a cancellation: the state is written and the lock is free', async () => {
    ground = await newGround(s3);
    const terraform = ground.terraform({ variables: { servers: { ...named('a'), z: 'slow' } } });
    const { digest } = await terraform.planChanges(RUN);
    const cancel = new AbortController();
    const running = withScope({ signal: cancel.signal, progress: null }, () =>
      terraform.applyPlan({ ...RUN, digest }),
    ).catch((error: Error) => error);
    await vi.waitFor(() => expect([ground.made(), [...ground.begun()].sort()]).toEqual([['a'], ['a', 'z']]), SLOWLY);
    cancel.abort(new Error('cancelled'));
    expect(await running).toMatchObject({ message: 'cancelled' });
    await ground.allow('go');
    expect((await terraform.applyPlan({ ...RUN, digest })).done).toBe(1);
    expect(ground.made()).toEqual(['a', 'z']);
  });

  it('faults 55: sends the state that could not be sent before it makes anything more', async () => {
    const proxy = await startFaultProxy(s3.endpoint);
    onTestFinished(() => proxy.close());
    ground = await newGround({ ...s3, endpoint: proxy.endpoint });
    const terraform = ground.terraform({ variables: { servers: named('a', 'b') } });
    const { digest } = await terraform.planChanges(RUN);
    proxy.setFault((request) => (/^PUT .*tfstate(\?|$)/.test(request) ? { kind: 'denied' } : null));
    await expect(terraform.applyPlan({ ...RUN, digest })).rejects.toMatchObject({ code: 'TERRAFORM_FAILED' });
    await expect(terraform.planChanges(OTHER)).rejects.toMatchObject({ code: 'TERRAFORM_FAILED' });
    proxy.setFault(() => null);
    expect((await terraform.planChanges(OTHER)).changes).toEqual([]);
    expect([...ground.made()].sort()).toEqual(['a', 'b']);
  });

  it('faults 56: names who holds the state, forces no lock, and takes away only the one that a person names', async () => {
    ground = await newGround(s3);
    const terraform = ground.terraform({ variables: { servers: { ...named('a'), z: 'slow' } } });
    const { digest } = await terraform.planChanges(RUN);
    const running = terraform.applyPlan({ ...RUN, digest }).catch((error: Error) => error);
    await vi.waitFor(() => expect(ground.begun()).toContain('z'), SLOWLY);
    const held = await terraform.planChanges(OTHER).catch((error: Error) => error);
    expect(held).toMatchObject({
      code: 'TERRAFORM_LOCKED',
      details: { who: expect.stringContaining('Apply, since 2') },
    });
    for (const pid of applying(ground.folder)) process.kill(pid, 'SIGKILL');
    expect(await running).toMatchObject({ code: 'TERRAFORM_FAILED' });
    const left = await terraform.applyPlan({ ...RUN, digest }).catch((error) => error);
    expect(left).toMatchObject({ code: 'TERRAFORM_LOCKED', details: (held as { details?: object }).details });
    await expect(terraform.unlock({ ...RUN, lock: 'another-one' })).rejects.toMatchObject({ code: 'TERRAFORM_FAILED' });
    await expect(terraform.unlock({ ...RUN, lock: '-help' })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(terraform.applyPlan({ ...RUN, digest })).rejects.toMatchObject({ code: 'TERRAFORM_LOCKED' });
    await terraform.unlock({ ...RUN, lock: left.details.id });
    await ground.allow('go');
    await terraform.applyPlan({ ...RUN, digest });
    expect(ground.made()).toContain('z');
    expect((await terraform.planChanges(OTHER)).changes).toEqual([]);
  });
});
