// Posts one message with a limit for each try and a few tries. Says why it failed without the address: it may be secret.
import { setTimeout as wait } from 'node:timers/promises';
import { currentSignal, throwIfCancelled } from '../shared/activity-context.ts';

export interface Retries {
  readonly tries: number;
  readonly firstPauseMs: number;
  readonly tryMs: number;
}

export const RETRIES: Retries = { tries: 3, firstPauseMs: 500, tryMs: 5000 };

export interface Message {
  readonly body: string;
  /** Made anew for each try: a signature carries its time. */
  readonly headers: () => Record<string, string>;
}

/** Sends until it is taken (2xx). @returns null when it was, else why the last try failed. */
export async function post(
  url: string,
  message: Message,
  { tries, firstPauseMs, tryMs }: Retries,
): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled();
    const { why, mayHelp } = await postOnce(url, message, tryMs);
    if (why === null || attempt >= tries || !mayHelp) return why;
    await pause(firstPauseMs * 2 ** (attempt - 1));
  }
}

interface Try {
  readonly why: string | null;
  /** Whether trying again can help. */
  readonly mayHelp: boolean;
}

async function postOnce(url: string, { body, headers }: Message, tryMs: number): Promise<Try> {
  const limit = AbortSignal.timeout(tryMs);
  const signal = AbortSignal.any([limit, ...[currentSignal() ?? []].flat()]);
  try {
    // A redirect is not followed: it would carry the signed event to an address nobody configured.
    const response = await fetch(url, { method: 'POST', body, headers: headers(), signal, redirect: 'manual' });
    await response.body?.cancel();
    if (response.ok) return { why: null, mayHelp: false };
    const { status } = response;
    return { why: `answered ${status}`, mayHelp: status >= 500 || status === 429 || status === 408 };
  } catch (error) {
    throwIfCancelled();
    if (limit.aborted) return { why: `did not answer within ${tryMs} ms`, mayHelp: true };
    return { why: `cannot be reached (${networkCode(error)})`, mayHelp: true };
  }
}

// The error's own words hold the host's name; its code does not.
function networkCode(error: unknown): string {
  const { cause, code } = error as { cause?: { code?: string }; code?: string };
  return cause?.code ?? code ?? 'unknown';
}

async function pause(ms: number): Promise<void> {
  const signal = currentSignal();
  await wait(ms, undefined, signal ? { signal } : {}).catch((error) => {
    throwIfCancelled();
    throw error;
  });
}
