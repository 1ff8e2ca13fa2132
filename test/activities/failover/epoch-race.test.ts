// Fifty starts at the same moment, from five processes that share nothing but the witness's folder.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EpochStore } from '../../../activities/failover/epoch-store.ts';
import type { Tried } from './epoch-child.ts';

const PROCESSES = 5;
const EACH = 10;
const CHILD = fileURLToPath(new URL('./epoch-child.ts', import.meta.url));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-epoch-race-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** A process that is ready to try. */
async function ready(name: string): Promise<{ readonly child: Child; readonly lines: AsyncIterator<string> }> {
  const child: Child = spawn(process.execPath, [CHILD, directory, name, String(EACH)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return { child, lines };
}

async function triesOf(lines: AsyncIterator<string>): Promise<Tried[]> {
  const tries: Tried[] = [];
  for (let next = await lines.next(); !next.done; next = await lines.next())
    tries.push(JSON.parse(next.value) as Tried);
  return tries;
}

it('faults 48: fifty starts at once from five processes give one winner, and the others are told who, when and what', async () => {
  const children = await Promise.all(Array.from({ length: PROCESSES }, (_, n) => ready(`process-${n}`)));
  for (const { child } of children) child.stdin.end();
  const tries = (await Promise.all(children.map(({ lines }) => triesOf(lines)))).flat();
  expect(tries).toHaveLength(PROCESSES * EACH);
  const [winner, ...others] = tries.filter(({ code }) => code === null);
  expect(others).toEqual([]);
  const epochs = new EpochStore({
    platform: 'orders',
    activeSite: 'west',
    witnessDirectory: directory,
    now: () => new Date(),
  });
  const { number, site, record } = await epochs.read();
  expect([number, site, record?.run]).toEqual([1, 'east', winner?.run]);
  for (const { code, message, details } of tries.filter((one) => one !== winner)) {
    expect(code).toBe('EPOCH_TAKEN');
    expect(message).toContain(
      `epoch 1 was taken by ${record?.person} at ${record?.at} for the failover from 'west' to 'east'`,
    );
    expect(details).toMatchObject({ run: winner?.run, person: record?.person, at: record?.at });
  }
});
