// What takes messages out of a queue without a consumer: limits of life and of length, from the queue's arguments and
// from the policies that hold for it. The count of such a queue says nothing about what was put into it.
import type { JsonValue } from '../json.ts';

type Settings = Readonly<Record<string, JsonValue>>;

export interface LimitedQueue {
  readonly arguments: Settings;
  /** What its policy and operator policy come to, as the broker tells it; absent in backups of before it was recorded. */
  readonly effectivePolicy?: Settings;
}

export interface QueueLimits {
  /** Milliseconds a message lives; null without a limit. */
  readonly lifeMs: number | null;
  /** Milliseconds after which the queue itself ends when nobody uses it. */
  readonly expiresMs: number | null;
  readonly messages: number | null;
  readonly bytes: number | null;
  /** A stream drops its oldest segments after this long, for example `7D`. */
  readonly age: string | null;
  readonly refusesWhenFull: boolean;
}

/** Arguments that take messages out of a queue, or the queue away. */
const LIMITS: ReadonlySet<string> = new Set([
  'x-message-ttl',
  'x-expires',
  'x-max-length',
  'x-max-length-bytes',
  'x-max-age',
]);

const argumentsOf = (queue: { readonly arguments?: JsonValue | undefined }): Settings =>
  (queue.arguments ?? {}) as Settings;

/** True for a queue definition that has such an argument. */
export function hasLimits(queue: { readonly arguments?: JsonValue | undefined }): boolean {
  return Object.keys(argumentsOf(queue)).some((name) => LIMITS.has(name));
}

/** The same queue definition without them. */
export function withoutLimits<T extends { readonly arguments?: JsonValue | undefined }>(queue: T): T {
  const kept = Object.entries(argumentsOf(queue)).filter(([name]) => !LIMITS.has(name));
  return { ...queue, arguments: Object.fromEntries(kept) };
}

/** The stricter of argument and policy, as the broker applies them. */
export function limitsOf(queue: LimitedQueue): QueueLimits {
  const { arguments: args, effectivePolicy = {} } = queue;
  const least = (name: string): number | null => {
    const values = [args[`x-${name}`], effectivePolicy[name]].filter((value) => typeof value === 'number');
    return values.length === 0 ? null : Math.min(...values);
  };
  const first = (name: string): string | null => {
    const value = args[`x-${name}`] ?? effectivePolicy[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    lifeMs: least('message-ttl'),
    expiresMs: least('expires'),
    messages: least('max-length'),
    bytes: least('max-length-bytes'),
    age: first('max-age'),
    refusesWhenFull: first('overflow')?.startsWith('reject-publish') ?? false,
  };
}

/** Words for each limit, for people; none when a message stays until somebody takes it. */
export function limitWords(queue: LimitedQueue, expiring: number): string[] {
  const { lifeMs, messages, bytes, age } = limitsOf(queue);
  return [
    ...(lifeMs === null ? [] : [`a message lives ${lifeMs} ms`]),
    ...(messages === null ? [] : [`${messages} messages at most`]),
    ...(bytes === null ? [] : [`${bytes} bytes at most`]),
    ...(age === null ? [] : [`a stream's segments live ${age}`]),
    ...(expiring > 0 ? [`${expiring} messages carry an expiration`] : []),
  ];
}

/** True when the captured messages are more than the queue may hold as ready: what consumers held counted as well. */
export function exceedsLength(
  queue: LimitedQueue,
  held: { readonly messages: number; readonly bytes: number },
): boolean {
  const { messages, bytes } = limitsOf(queue);
  return (messages !== null && held.messages > messages) || (bytes !== null && held.bytes > bytes);
}
