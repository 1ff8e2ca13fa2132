import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createNotification } from '../../../activities/notification/index.ts';
import { withScope } from '../../../activities/shared/activity-context.ts';
import type { NotificationConfiguration } from '../../../domain/configuration/schema.ts';
import { describeFailure, type Failure } from '../../../domain/failures.ts';
import { freePort } from '../../../local/servers.ts';

const KEY = Buffer.from('a key of the receiver');
const SECRET = `whsec_${KEY.toString('base64')}`;
// An answer that is late on a loaded machine would be asked for again: only where nothing answers is the limit short.
const RETRIES = { tries: 3, firstPauseMs: 1, tryMs: 60_000 };
const SOON = { ...RETRIES, tryMs: 1000 };
const NOTICE = {
  type: 'backup.failed',
  level: 'alarm',
  subject: 'postgres <!channel>',
  message: 'no space left',
  run: 'run-1',
  facts: { tier: 'local', bytes: 12 },
} as const;

interface Heard {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: Server;
let heard: Heard[] = [];
/** Answers by path, in turn; the last one stays. 0 never answers. */
let answers: Record<string, number[]> = {};

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const path = request.url ?? '';
    heard.push({ path, headers: request.headers, body: await text(request) });
    const turns = answers[path] ?? [204];
    const status = (turns.length > 1 ? turns.shift() : turns[0]) ?? 204;
    if (status !== 0) response.writeHead(status, { location: 'http://127.0.0.1:1/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('HOOK_SECRET', SECRET);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  heard = [];
});

afterEach(() => {
  answers = {};
});

const address = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

function webhook(name: string, changes: object = {}): NotificationConfiguration {
  const base = {
    kind: 'webhook',
    name,
    url: address(`/${name}`),
    secret: '${env:HOOK_SECRET}',
    level: 'info',
  } as const;
  return { ...base, ...changes };
}

function slack(name: string): NotificationConfiguration {
  vi.stubEnv('SLACK_URL', address(`/services/canary-token/${name}`));
  return { kind: 'slack', name, url: '${env:SLACK_URL}', level: 'warning' };
}

const notifier = (...channels: NotificationConfiguration[]) =>
  createNotification({ platform: 'shop', channels, retries: RETRIES });

function isSigned({ headers, body }: Heard): boolean {
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = `v1,${createHmac('sha256', KEY).update(content).digest('base64')}`;
  const given = String(headers['webhook-signature']);
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

const failureOf = (work: Promise<void>): Promise<Failure> =>
  work.then(
    () => Promise.reject(new Error('it was sent')),
    (error) => error,
  );

describe('a webhook', () => {
  it('gets one CloudEvent, signed over its id, time and body', async () => {
    await notifier(webhook('ops')).notify(NOTICE);
    const [only] = heard as [Heard];
    expect(heard).toHaveLength(1);
    expect(isSigned(only)).toBe(true);
    expect(Math.abs(Number(only.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(30);
    expect(only.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(JSON.parse(only.body)).toEqual({
      specversion: '1.0',
      id: only.headers['webhook-id'],
      source: '/holdfast/shop',
      type: 'backup.failed',
      subject: NOTICE.subject,
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      datacontenttype: 'application/json',
      data: { level: 'alarm', message: 'no space left', run: 'run-1', facts: { tier: 'local', bytes: 12 } },
    });
  });

  it('gets the same id from another worker, and another id for another run', async () => {
    await notifier(webhook('ops')).notify(NOTICE);
    await notifier(webhook('ops')).notify(NOTICE);
    await notifier(webhook('ops')).notify({ ...NOTICE, run: 'run-2' });
    const ids = heard.map(({ headers }) => headers['webhook-id']);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('that answers 500 and then 200 is tried again with the same event', async () => {
    answers = { '/ops': [500, 200] };
    await notifier(webhook('ops')).notify(NOTICE);
    expect(heard.map(({ body }) => body)).toEqual([heard[0]?.body, heard[0]?.body]);
    expect(heard.every(isSigned)).toBe(true);
  });

  it.each([400, 404, 302])('that answers %i is not tried again and fails', async (status) => {
    answers = { '/ops': [status] };
    const failure = await failureOf(notifier(webhook('ops')).notify(NOTICE));
    expect(failure.message).toBe(`notification channel 'ops' answered ${status}; 0 of 1 channels took it`);
    expect(heard).toHaveLength(1);
  });

  it('hears only what is at least of its level', async () => {
    await notifier(webhook('ops', { level: 'alarm' })).notify({ ...NOTICE, level: 'warning' });
    expect(heard).toEqual([]);
  });
});

describe('a Slack channel', () => {
  it('gets a readable text in which outside names call nobody', async () => {
    await notifier(slack('team')).notify(NOTICE);
    expect(JSON.parse(heard[0]?.body ?? '')).toEqual({
      text: ':rotating_light: *shop*: postgres &lt;!channel&gt;\nno space left\n• tier: local\n• bytes: 12\nrun run-1',
    });
  });
});

describe('faults 78: a channel that is down', () => {
  it('keeps no other from hearing and is named without its secret address', async () => {
    answers = { '/hangs': [0], '/services/canary-token/team': [503] };
    const closed = webhook('closed', { url: `http://127.0.0.1:${await freePort()}/canary-path` });
    const unset = webhook('unset', { secret: '${env:HOLDFAST_TEST_UNSET}' });
    const channels = [webhook('hangs'), closed, slack('team'), unset, webhook('ops')];
    const failure = await failureOf(createNotification({ platform: 'shop', channels, retries: SOON }).notify(NOTICE));
    expect(failure.code).toBe('NOTIFICATION_FAILED');
    expect(failure.message).toBe(
      "notification channel 'hangs' did not answer within 1000 ms, channel 'closed' cannot be reached (ECONNREFUSED), " +
        "channel 'team' answered 503, channel 'unset' has no usable secret: environment variable HOLDFAST_TEST_UNSET " +
        'is not set; 1 of 5 channels took it',
    );
    expect(heard.filter(({ path }) => path === '/ops')).toHaveLength(1);
    expect(heard.filter(({ path }) => path === '/hangs')).toHaveLength(RETRIES.tries);
    expect(describeFailure(failure.code, failure.message, failure.details)).not.toMatch(/canary|127\.0\.0\.1|whsec/);
  });

  it('is told again by a retry, and those that heard are not', async () => {
    answers = { '/late': [500, 500, 500, 200] };
    const { notify } = notifier(webhook('late'), webhook('ops'));
    await failureOf(notify(NOTICE));
    await notify(NOTICE);
    expect(heard.filter(({ path }) => path === '/ops')).toHaveLength(1);
    expect(heard.filter(({ path }) => path === '/late')).toHaveLength(4);
  });

  it('is given up at once when the activity is cancelled', async () => {
    answers = { '/hangs': [0] };
    const cancel = new AbortController();
    const { notify } = createNotification({ platform: 'shop', channels: [webhook('hangs')], retries: RETRIES });
    const sending = withScope({ signal: cancel.signal, progress: null }, () => notify(NOTICE));
    await vi.waitUntil(() => heard.length === 1);
    cancel.abort(new Error('cancelled by the test'));
    await expect(sending).rejects.toThrow('cancelled by the test');
  });
});
