// What becomes of expiry times at a restore. Expiry is absolute in Redis: a session that was alive at the moment of the
// backup is gone when that is loaded after its time. Whether that is right depends on what the keys are for.
import { Failure } from '../failures.ts';

export type TtlPolicy =
  | { readonly kind: 'absolute' }
  | { readonly kind: 'shift'; readonly byMs: number }
  | { readonly kind: 'floor'; readonly notBeforeMs: number };

const DEFAULT_FLOOR_MS = 15 * 60_000;

/**
 * The policy that the options name, fixed to times, so that every attempt makes the same of the same bytes.
 * @param momentMs the backup's moment; @param nowMs the planner's clock; both Unix milliseconds.
 * @throws {Failure} USAGE for another word, or a floor that is no number of seconds.
 */
export function ttlPolicy(options: Readonly<Record<string, string>>, momentMs: number, nowMs: number): TtlPolicy {
  const name = options.ttl ?? 'absolute';
  if (name === 'absolute') return { kind: 'absolute' };
  if (name === 'shift') return { kind: 'shift', byMs: Math.max(0, nowMs - momentMs) };
  if (name !== 'floor') throw new Failure('USAGE', `'ttl' is absolute, shift or floor, not '${name}'`);
  const seconds = options.ttlFloorSeconds;
  if (seconds !== undefined && !/^\d{1,9}$/.test(seconds))
    throw new Failure('USAGE', `'ttlFloorSeconds' is a whole number, not '${seconds}'`);
  const floorMs = seconds === undefined ? DEFAULT_FLOOR_MS : Number(seconds) * 1000;
  return { kind: 'floor', notBeforeMs: nowMs + floorMs };
}

/** The expiry that a key gets which expires at `expiresAtMs` in the backup. */
export function expiryUnder(policy: TtlPolicy, expiresAtMs: number): number {
  if (policy.kind === 'shift') return expiresAtMs + policy.byMs;
  if (policy.kind === 'floor') return Math.max(expiresAtMs, policy.notBeforeMs);
  return expiresAtMs;
}

/** One line for the plan. */
export function describeTtl(policy: TtlPolicy): string {
  if (policy.kind === 'absolute') return 'keys keep their expiry times: what has expired since the backup stays away';
  if (policy.kind === 'shift')
    return `every expiry time is moved by ${Math.round(policy.byMs / 1000)} s: sessions that ended since the backup live again`;
  return `no key expires before ${new Date(policy.notBeforeMs).toISOString()}: sessions that ended since the backup live again`;
}
