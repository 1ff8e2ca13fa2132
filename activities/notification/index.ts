// Tells people and machines outside: webhooks (CloudEvents, signed) and Slack. One channel that is down keeps no other
// from hearing, and is named afterwards.
import { createHash } from 'node:crypto';
import type { NotificationConfiguration } from '../../domain/configuration/schema.ts';
import type { Notice, NotificationActivities } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { cloudEvent, isHeard, noticeKey, slackMessage } from '../../domain/notice.ts';
import { resolveSecret } from '../shared/secrets.ts';
import { type Message, post, RETRIES, type Retries } from './post.ts';
import { signatureHeaders } from './sign.ts';

export interface NotificationOptions {
  readonly platform: string;
  readonly channels: readonly NotificationConfiguration[];
  readonly now?: () => Date;
  readonly retries?: Retries;
}

/** The activities `notification.<verb>`. */
export function createNotification(options: NotificationOptions): NotificationActivities {
  const { platform, channels, now = () => new Date(), retries = RETRIES } = options;
  const delivered = new Delivered();
  return {
    /**
     * Does: sends the notice to every channel that wants its level, each a few times.
     * Repeat: sends the same event (same id) to the channels that did not take it; another worker sends to all, and
     * receivers drop the id they know.
     * Undo: none: what was told was told.
     */
    async notify(notice) {
      const id = createHash('sha256')
        .update(`${platform}\n${noticeKey(notice)}`)
        .digest('hex');
      const deliver = async (channel: NotificationConfiguration) => {
        if (delivered.has(id, channel.name)) return null;
        const why = await tell(channel, notice, { platform, id, now, retries });
        if (why === null) delivered.add(id, channel.name);
        return why === null ? null : `'${channel.name}' ${why}`;
      };
      const wanted = channels.filter(({ level }) => isHeard(notice.level, level));
      const outcomes = await Promise.allSettled(wanted.map(deliver));
      const cancelled = outcomes.find((one) => one.status === 'rejected');
      if (cancelled) throw cancelled.reason;
      const failed = outcomes.flatMap((one) => (one.status === 'fulfilled' && one.value !== null ? [one.value] : []));
      if (failed.length === 0) return;
      const took = wanted.length - failed.length;
      const told = `${took} of ${wanted.length} channels took it`;
      throw new Failure('NOTIFICATION_FAILED', `notification channel ${failed.join(', channel ')}; ${told}`, { took });
    },
  };
}

interface Sending {
  readonly platform: string;
  readonly id: string;
  readonly now: () => Date;
  readonly retries: Retries;
}

/** @returns null when the channel took it, else why not; a secret that cannot be read is a reason like any other. */
async function tell(channel: NotificationConfiguration, notice: Notice, sending: Sending): Promise<string | null> {
  try {
    const { url, message } = await compose(channel, notice, sending);
    return await post(url, message, sending.retries);
  } catch (error) {
    if (error instanceof Failure) return `has no usable secret: ${error.message}`;
    throw error;
  }
}

interface Composed {
  readonly url: string;
  readonly message: Message;
}

async function compose(channel: NotificationConfiguration, notice: Notice, sending: Sending): Promise<Composed> {
  const { platform, id, now } = sending;
  if (channel.kind === 'slack') {
    const body = JSON.stringify(slackMessage(notice, platform));
    const url = await resolveSecret(channel.url);
    return { url, message: { body, headers: () => ({ 'content-type': 'application/json' }) } };
  }
  const secret = await resolveSecret(channel.secret);
  const body = JSON.stringify(cloudEvent(notice, { platform, id, time: now().toISOString() }));
  const headers = () => ({
    'content-type': 'application/cloudevents+json; charset=utf-8',
    ...signatureHeaders({ id, timestamp: Math.floor(now().getTime() / 1000), body }, secret),
  });
  return { url: channel.url, message: { body, headers } };
}

const REMEMBERED = 1000;

/** What this worker delivered lately, so that a retry for one channel does not tell the others again. */
class Delivered {
  readonly #known = new Set<string>();

  has(id: string, channel: string): boolean {
    return this.#known.has(`${id} ${channel}`);
  }

  add(id: string, channel: string): void {
    this.#known.add(`${id} ${channel}`);
    const [oldest] = this.#known;
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }
}
