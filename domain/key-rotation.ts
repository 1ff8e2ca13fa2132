// Who can open which backup. The manifest names the recipients at the seal and never changes; keys that were rotated
// since name theirs in the signed checkpoint. A rotation wraps the keys of stored backups for the configured recipients.
import type { CheckpointEntry, KeyRecord } from './checkpoint.ts';
import type { BackupRef, KeyHolder, Manifest } from './manifest.ts';
import { SYSTEMS, type SystemName } from './systems.ts';

/** `tls` is the domain of systems with recipients of their own, `general` that of all others. */
export type KeyDomain = 'general' | 'tls';
export const KEY_DOMAINS: readonly KeyDomain[] = ['general', 'tls'];

export const domainOf = (system: SystemName): KeyDomain => (SYSTEMS[system].ownKeyDomain ? 'tls' : 'general');

/** A stored backup and who can open it now. */
export interface HeldKey {
  readonly backup: BackupRef;
  readonly holders: readonly KeyHolder[];
}

/** The key that counts: the last one that the checkpoint names. */
export const currentKey = ({ keys }: Pick<CheckpointEntry, 'keys'>): KeyRecord | undefined => keys.at(-1);

/** Who can open the key that counts. */
export function holdersOf(
  key: Pick<KeyRecord, 'recipients'> | undefined,
  manifest: Pick<Manifest, 'recipients'>,
): readonly KeyHolder[] {
  return key?.recipients ?? manifest.recipients;
}

/** The number in `key.<n>`, or null for any other name. */
export function keyNumber(name: string): number | null {
  const digits = /^key\.([1-9]\d{0,8})$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** True when both lists hold the same keys, whatever their names and order. */
export function isSameHolders(one: readonly KeyHolder[], other: readonly KeyHolder[]): boolean {
  const idsOf = (holders: readonly KeyHolder[]) => [...new Set(holders.map(({ keyId }) => keyId))].sort().join();
  return idsOf(one) === idsOf(other);
}

/** What a rotation would change in one key domain. */
export interface DomainRotation {
  readonly domain: KeyDomain;
  /** Who shall be able to open its backups. */
  readonly wanted: readonly KeyHolder[];
  /** Of these, who cannot open all of them yet. */
  readonly added: readonly KeyHolder[];
  /** Who can open some of them and shall not any more. */
  readonly removed: readonly KeyHolder[];
  readonly backups: number;
  /** Backups whose key is wrapped for others than those wanted. */
  readonly stale: number;
}

export interface RotationPlan {
  readonly domains: readonly DomainRotation[];
  /** SHA-256 of what is approved: who gains and who loses, in each domain. */
  readonly digest: string;
}

/** What a rotation of one domain changes. The counts are not part of what is approved: backups come and go meanwhile. */
export function planDomain(domain: KeyDomain, wanted: readonly KeyHolder[], held: readonly HeldKey[]): DomainRotation {
  const own = held.filter(({ backup }) => domainOf(backup.system) === domain);
  const stale = own.filter(({ holders }) => !isSameHolders(holders, wanted));
  const lacks = ({ keyId }: KeyHolder) => stale.some(({ holders }) => !holders.some((one) => one.keyId === keyId));
  const removed = unique(stale.flatMap(({ holders }) => holders)).filter((one) => !includes(wanted, one));
  return { domain, wanted, added: wanted.filter(lacks), removed, backups: own.length, stale: stale.length };
}

const includes = (list: readonly KeyHolder[], { keyId }: KeyHolder) => list.some((one) => one.keyId === keyId);

const unique = (list: readonly KeyHolder[]): readonly KeyHolder[] =>
  [...new Map(list.map((one) => [one.keyId, one])).values()].sort((a, b) => (a.keyId < b.keyId ? -1 : 1));

/** How many backups, and the first of them by name. */
export interface Some {
  readonly count: number;
  /** `system/id`, the newest first. */
  readonly newest: readonly string[];
}

export interface KeyReport {
  readonly backups: number;
  /** For each key id, how many backups it opens. */
  readonly opens: Readonly<Record<string, number>>;
  /** Backups that none of the configured recipients of their domain can open. */
  readonly openedByNone: Some;
  /** Backups whose key is wrapped for others than the configured recipients. */
  readonly stale: Some;
}

/** Which keys open what, bounded however many backups there are. @param held newest first. */
export function reportKeys(held: readonly HeldKey[], wantedIn: (domain: KeyDomain) => readonly KeyHolder[]): KeyReport {
  const opens: Record<string, number> = {};
  for (const { holders } of held) for (const { keyId } of unique(holders)) opens[keyId] = (opens[keyId] ?? 0) + 1;
  const wantedFor = ({ backup }: HeldKey) => wantedIn(domainOf(backup.system));
  const isClosed = (one: HeldKey) => !one.holders.some((holder) => includes(wantedFor(one), holder));
  return {
    backups: held.length,
    opens,
    openedByNone: someOf(held.filter(isClosed)),
    stale: someOf(held.filter((one) => !isSameHolders(one.holders, wantedFor(one)))),
  };
}

const MOST_NAMED = 20;

const someOf = (held: readonly HeldKey[]): Some => ({
  count: held.length,
  newest: held.slice(0, MOST_NAMED).map(({ backup }) => `${backup.system}/${backup.backupId}`),
});
