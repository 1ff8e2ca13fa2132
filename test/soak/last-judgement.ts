// What must hold when everything has come to rest: every stored backup is whole in every tier, the newest of each kind
// restores, the audit chain verifies, nothing is left behind and no secret is anywhere.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { exposedSecrets } from '../integration/secret-places.ts';
import { ask, listed, type Soak, verify } from './rounds.ts';

const REST_WITHIN_MS = 120_000;

/** Judges the state at the end. @param tell prints a line. */
export async function judgeTheEnd(soak: Soak, tell: (line: string) => void): Promise<void> {
  await judgeLeftovers(soak);
  const backups = await listed(soak);
  tell(`${backups.length} backups are listed`);
  await judgeStored(soak);
  await judgeNewest(soak);
  await judgeAudit(soak);
  const exposed = await exposedSecrets(soak.harness);
  soak.judge.that('O5', exposed.length === 0, exposed.join('; '));
}

async function judgeLeftovers({ harness, judge }: Soak): Promise<void> {
  const deadline = Date.now() + REST_WITHIN_MS;
  let left = await harness.leftovers();
  for (; left.length > 0 && Date.now() < deadline; left = await harness.leftovers()) await wait(1000);
  judge.that('SLATE', left.length === 0, left.slice(0, 10).join('; '));
  const log = readFileSync(harness.workerLog, 'utf8');
  judge.that('SLATE', !/unhandled|uncaught/i.test(log), 'the log of the worker tells of an error that nobody caught');
}

async function judgeStored(soak: Soak): Promise<void> {
  const { result, failure } = await verify(soak, { depth: 'stored', backup: null, all: true });
  const bad = (result?.backups ?? []).filter(({ verdict }) => verdict === 'failed');
  const names = bad.map(({ backup }) => `${backup.system}/${backup.backupId}`).join(', ');
  soak.judge.that('O4', failure === null && bad.length === 0, `${failure?.message.split('\n', 1)[0] ?? ''} ${names}`);
}

async function judgeNewest(soak: Soak): Promise<void> {
  const { result, failure } = await verify(soak, { depth: 'proof', backup: null, all: false });
  const unproven = (result?.backups ?? []).filter(({ verdict }) => verdict !== 'proven');
  soak.judge.that('O3', failure === null && unproven.length === 0, failure?.message.split('\n', 1)[0] ?? 'not proven');
}

async function judgeAudit(soak: Soak): Promise<void> {
  const findings = await ask<readonly Finding[]>(soak, { kind: 'verifyAudit' });
  const failed = findings.filter(({ level }) => level === 'failed').map(({ message }) => message);
  soak.judge.that('O7', failed.length === 0, failed.join('; '));
}
