// The active site is cut off, with its bucket, and so is every address outside: what remains fails over with what it has.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FailOverResult } from '../../workflows/messages.ts';
import { makeNetworks, type Networks } from './cut-off/networks.ts';
import type { CutOffFacts } from './cut-off/story.ts';

const STORY = fileURLToPath(new URL('./cut-off/story.ts', import.meta.url));
const run = promisify(execFile);

let networks: Networks;
let facts: CutOffFacts;

beforeAll(async () => {
  networks = await makeNetworks();
  const words = ['netns', 'exec', networks.rest, process.execPath, STORY, networks.west];
  const { stdout } = await run('ip', words, { maxBuffer: 64 * 1024 * 1024 });
  facts = JSON.parse(stdout) as CutOffFacts;
}, 600_000);
afterAll(() => networks?.remove());

describe('faults 62: a site that is cut off with its bucket', () => {
  it('is asked for its stores side by side, for five seconds, and its silence proves nothing', () => {
    const { question, seconds, end } = facts.lost;
    expect(question).toBe('attest FENCE_UNPROVEN');
    expect(end.status, end.stdout).toBe(12);
    expect(seconds).toBeGreaterThan(5);
  });

  it('is taken over when its address refuses, from the copies that are left, with nothing missing', () => {
    const { status, stdout } = facts.refused;
    const { report, findings } = JSON.parse(stdout) as FailOverResult;
    const failed = findings.filter(({ level }) => level === 'failed').map(({ subject, code }) => [subject, code]);
    // It serves, and says that the lost bucket keeps its own backups from being stored.
    expect([report.outcome, failed, status]).toEqual(['succeeded', [['first backup of east', 'STORE_UNREACHABLE']], 1]);
    expect(facts.differences).toEqual([]);
  });

  it('makes nothing ask an address outside', () => {
    expect(facts.askedOutside).toEqual([]);
  });
});
