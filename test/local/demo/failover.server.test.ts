// The failover demo in small: what its account claims, looked at again from outside.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { failoverRecordName, parseFailoverRecord } from '../../../domain/failover-record.ts';
import { RECOVERY_PARTS } from '../../../domain/recovery-time.ts';
import { MARKED, readLists, readStores } from '../../../local/demo/failover/account.ts';
import { resolverOf } from '../../../local/demo/failover/public-name.ts';
import { type CameBack, comeBack, compareRest } from '../../../local/demo/failover/return.ts';
import { type TakenOver, takeOver } from '../../../local/demo/failover/take-over.ts';
import { Running } from '../../../local/demo/running.ts';
import { Screen } from '../../../local/demo/screen.ts';
import { processes } from '../../../local/processes.ts';

const MINUTES = 60_000;
const running = new Running();
let output = '';
let end: TakenOver;
const screen = new Screen({
  write: (text: string) => {
    output += text;
  },
});
const cleanWindowMs = 2000;
const withOutput = (error: unknown): never => {
  throw new Error(output, { cause: error });
};

beforeAll(async () => {
  end = await takeOver({ running, screen, scale: 0.01, proves: false, cleanWindowMs }).catch(withOutput);
}, 8 * MINUTES);
afterAll(async () => {
  await running.close();
  expect(existsSync(end.stage.platform.directory)).toBe(false);
}, 2 * MINUTES);

const record = async (epoch = 1) => {
  const { platform } = end.stage;
  const name = failoverRecordName(epoch);
  const text = await readFile(join(platform.directory, 'witness', 'ledger', name), 'utf8');
  return parseFailoverRecord(text, name, platform.name);
};

test('the other site takes over, and the story finds nothing wrong', async () => {
  expect(end.good, output).toBe(true);
  expect(output).not.toMatch(/^ {2}NO /m);
  expect(await resolverOf(end.stage.publicName)()).toBe('127.0.20.1');
  const { west } = end.stage;
  expect(processes().filter(({ command }) => command.includes(`${west.directory}/`))).toEqual([]);
});

test('the loss that the ledger reports is the loss that the lists of the workload show, and what came later is there', async () => {
  const { losses } = await record();
  const [lists, held] = [await readLists(end.stage.lists), await readStores(end.stage.east.access)];
  for (const system of MARKED) {
    const there = new Set(held[system]);
    const absent = lists[system].filter(({ marker }) => !there.has(marker));
    const later = lists[system].filter(({ at }) => at > end.diedAt);
    expect(losses[system]?.markers?.lost, system).toBe(absent.length);
    expect(absent.length, system).toBeGreaterThan(0);
    expect(later.length, system).toBeGreaterThan(0);
    expect(
      later.every(({ marker }) => there.has(marker)),
      system,
    ).toBe(true);
  }
});

test('Terraform has made the stores of the other site by the plan that was shown, and keeps its state at the witness', async () => {
  expect(output).toContain('Terraform creates terraform_data.stores (holds data)');
  const state = join(end.stage.platform.directory, 's3/objects/terraform-state/east.tfstate');
  expect(JSON.parse(await readFile(state, 'utf8'))).toMatchObject({ resources: [{ name: 'stores' }] });
  expect((await record()).recoveryTime.parts.terraform).toBeGreaterThan(0);
});

test('the recovery time begins with the first failed probe, and its parts are told one by one and add up', async () => {
  const { outage, recoveryTime } = await record();
  expect(Date.parse(outage?.since ?? '')).toBeGreaterThan(end.diedAt - 20_000);
  const sum = RECOVERY_PARTS.reduce((all, part) => all + Number(recoveryTime.parts[part]), 0);
  expect(recoveryTime.seconds).toBeCloseTo(sum, 2);
  expect(recoveryTime.parts.people).toBeGreaterThan(0);
  expect(output).toMatch(/^ {2}RTO +.* met$/m);
  expect(output).toContain('approved by anna, ben: 2 of 2');
});

test('dr status tells the failover beside the objectives', async () => {
  const words = ['status', '--json', '--site', 'east'];
  const lines: string[] = [];
  await end.stage.witness.watch(words, (line) => void lines.push(line));
  const { objectives } = JSON.parse(lines.join('\n')) as {
    objectives: { what: string; objective: string; why: string }[];
  };
  const why = (what: string, objective: string) =>
    objectives.find((one) => one.what === what && one.objective === objective)?.why;
  expect(why('platform', 'RTO')).toMatch(/^the failover from west to east, .* ours /);
  expect(why('redis', 'RPO')).toMatch(/lost at most .* of .* markers/);
});

describe('the first site, rebuilt', () => {
  let back: CameBack;
  beforeAll(async () => {
    back = await comeBack({ screen, cleanWindowMs }, end).catch(withOutput);
  }, 8 * MINUTES);

  test('takes over again, and the story finds nothing wrong', async () => {
    expect(back.good, output).toBe(true);
    expect(output).not.toMatch(/^ {2}NO /m);
    expect(output).toContain("Until then: nothing was touched yet; 'east' serves meanwhile");
    expect(await resolverOf(end.stage.publicName)()).toBe('127.0.10.1');
    const { configurationFile } = end.stage.platform;
    expect(parse(await readFile(configurationFile, 'utf8'))).toMatchObject({ activeSite: 'west' });
  });

  test('lacks of all acknowledged markers those that the failover lost, and no other', async () => {
    const [first, second] = [await record(1), await record(2)];
    const [lists, held] = [await readLists(end.stage.lists), await readStores(back.stage.west.access)];
    for (const system of MARKED) {
      const there = new Set(held[system]);
      const absent = lists[system].filter(({ marker }) => !there.has(marker));
      expect(absent.length, system).toBe(first.losses[system]?.markers?.lost);
      expect(second.losses[system], system).toMatchObject({ seconds: 0, markers: { lost: 0 } });
      expect(lists[system].length, system).toBeGreaterThan(Number(second.losses[system]?.markers?.acknowledged));
    }
  });

  test('was waited for as long as the ledger says: from the moment on which clients were kept out', async () => {
    const { from, to, recoveryTime, servedUntil, startedAt, steps } = await record(2);
    expect([from, to]).toEqual(['east', 'west']);
    expect(Date.parse(servedUntil ?? '')).toBeGreaterThan(Date.parse(startedAt));
    const sum = RECOVERY_PARTS.reduce((all, part) => all + Number(recoveryTime.parts[part]), 0);
    expect(recoveryTime.seconds).toBeCloseTo(sum, 2);
    expect(steps.map(({ id }) => id)).toEqual(expect.arrayContaining(['quiesce', 'caught-up', 'fence', 'go', 'open']));
    expect(output).toMatch(/^ {2}of them lost +[\d,]+ +0$/m);
  });

  test('holds everything else that it held before it died', async () => {
    expect(await compareRest(back.stage, screen, end.before), output).toBe(true);
  });
});
