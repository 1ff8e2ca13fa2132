// Runs that an earlier release left open go on with this one: the histories that it left are replayed by these workflows.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { decodeHistory, type RunHistory } from './recorded-history.ts';
import { RECORDED_STORIES } from './recorded-stories.ts';

const FOLDER = fileURLToPath(new URL('histories/', import.meta.url));
const END = '.history.gz';
const names = readdirSync(FOLDER).map((file) => file.slice(0, -END.length));
const historyOf = (name: string) => decodeHistory(readFileSync(join(FOLDER, name + END)));

let codePath: string;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  codePath = await workflowBundle();
});

async function replay(history: RunHistory): Promise<void> {
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, started?.workflowId ?? undefined);
}

describe('faults 7: a run that an earlier release began', () => {
  it.each(names)('goes on with these workflows: %s', async (name) => {
    await replay(historyOf(name));
  });

  it('is known in each way that is recorded', () => {
    expect([...names].sort()).toEqual(RECORDED_STORIES.map(({ name }) => name).sort());
  });

  it('is refused when its steps were others', async () => {
    const history = historyOf('back-up-system');
    const scheduled = history.events?.flatMap(({ activityTaskScheduledEventAttributes }) =>
      activityTaskScheduledEventAttributes ? [activityTaskScheduledEventAttributes] : [],
    );
    Object.assign(scheduled?.[0]?.activityType ?? {}, { name: 'redis.inspect' });
    await expect(replay(history)).rejects.toThrow('Nondeterminism');
  });

  it('names no machine', () => {
    const texts = names.map((name) => Buffer.from(JSON.stringify(historyOf(name))).toString());
    expect(texts.filter((text) => /"identity":"[^"]|"stackTrace":"[^"]|\/(home|root|work|tmp)\//.test(text))).toEqual(
      [],
    );
  });
});
