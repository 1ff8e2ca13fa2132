// What is restored into scratch must not act on the world: nothing in it finds a way out.
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { SYSTEM_NAMES, SYSTEMS } from '../../domain/systems.ts';
import { descendantsOf } from '../../local/processes.ts';
import { type Harness, startHarness } from './harness.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
  await harness.startWorker();
}, 400_000);
afterAll(() => harness.close());

describe('faults 75: a restore into scratch', () => {
  it('reaches nothing outside, although what it restores is eager to', { timeout: 400_000 }, async () => {
    let calls = 0;
    const outside = createServer((socket) => {
      calls += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void outside.close());
    await once(outside, 'listening');
    const { port } = outside.address() as AddressInfo;
    const { host, port: pgPort, user, password } = harness.platform.site.access.postgres;
    const sql = new Client({ host, port: pgPort, user, password, database: 'postgres' });
    await sql.connect();
    onTestFinished(() => sql.end());
    // A server that has it runs calls there by itself, again and again.
    await sql.query(
      `CREATE SUBSCRIPTION eager CONNECTION 'host=127.0.0.1 port=${port}' PUBLICATION p WITH (connect = false, slot_name = NONE)`,
    );
    await sql.query("ALTER SUBSCRIPTION eager SET (slot_name = 'eager')");
    await sql.query('ALTER SUBSCRIPTION eager ENABLE');
    await expect.poll(() => calls, { timeout: 60_000 }).toBeGreaterThan(0); // The listener counts.
    const systems = SYSTEM_NAMES.map((system) => ({ system, kinds: SYSTEMS[system].defaultKinds }));
    const backup = { scheduled: true, systems, applyRetention: false };
    const { backups } = await (await harness.start('backUpPlatform', 'backup/demo/postgres', backup)).result();
    await sql.query('ALTER SUBSCRIPTION eager DISABLE');
    await sql.query('ALTER SUBSCRIPTION eager SET (slot_name = NONE)');
    await sql.query('DROP SUBSCRIPTION eager');
    calls = 0;
    const interfaces = new Set<string>();
    const watch = setInterval(() => {
      for (const name of scratchInterfaces(harness.workerPid())) interfaces.add(name);
    }, 20);
    const verify = { systems: SYSTEM_NAMES, maximumAgeSeconds: {}, depth: 'proof', backup: null, all: false };
    const result = await (await harness.start('verifyBackups', 'verify/demo', { ...verify, scheduled: true })).result();
    clearInterval(watch);
    const physical = backups.find(({ kind }: { kind: string }) => kind === 'physical');
    expect(result.backups).toContainEqual(
      expect.objectContaining({ backup: { system: 'postgres', backupId: physical.backupId }, verdict: 'proven' }),
    );
    expect([...interfaces]).toEqual(['lo']); // Scratch servers were seen, and there is no way out of where they are.
    expect(calls).toBe(0);
  });
});

/** Names of the network interfaces that processes of the worker have, which are not in the worker's own network. */
function scratchInterfaces(worker: number): string[] {
  const networkOf = (pid: number) => readlinkSync(`/proc/${pid}/ns/net`);
  return descendantsOf(worker).flatMap((pid) => {
    try {
      if (networkOf(pid) === networkOf(worker)) return [];
      const counters = readFileSync(`/proc/${pid}/net/dev`, 'utf8');
      return [...counters.matchAll(/^\s*([^\s:]+):/gm)].map(([, name = '']) => name);
    } catch {
      return []; // It ended while we looked.
    }
  });
}
