// The witness's own alarm: something outside expects a sign of life and tells people when none comes. It is given only
// while the witness does its work.
import type { pino } from 'pino';
import { post, RETRIES } from '../activities/notification/post.ts';
import { resolveSecret } from '../activities/shared/secrets.ts';
import { durationMs, type WitnessConfiguration } from '../domain/configuration/schema.ts';

export class SignOfLife {
  readonly #settings: WitnessConfiguration['alive'];
  readonly #log: pino.Logger;
  #givenAt: number | null = null;

  constructor(settings: WitnessConfiguration['alive'], log: pino.Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Gives one when it is time. A failed one is logged and missed outside, which is what it is for. */
  async give(body: Readonly<Record<string, string>>): Promise<void> {
    if (this.#settings === undefined) return;
    const now = performance.now();
    if (this.#givenAt !== null && now - this.#givenAt < durationMs(this.#settings.every)) return;
    this.#givenAt = now;
    const url = await resolveSecret(this.#settings.url);
    const message = { body: JSON.stringify(body), headers: () => ({ 'content-type': 'application/json' }) };
    const why = await post(url, message, RETRIES);
    if (why !== null) this.#log.error(`whoever expects the sign of life ${why}`);
  }
}
