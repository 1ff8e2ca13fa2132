// A hosted zone with Route 53's rules for a change batch: made as a whole or refused as a whole, a DELETE only of exactly
// what is there, a CREATE only of what is not.
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
import { isIPv4, isIPv6 } from 'node:net';

export interface ZoneRecordSet {
  /** Lower case, with the final dot. */
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly values: readonly string[];
  readonly setIdentifier?: string;
  readonly failover?: 'PRIMARY' | 'SECONDARY';
  readonly healthCheckId?: string;
}

export interface ZoneChange {
  readonly action: string;
  readonly set: ZoneRecordSet;
}

export type Records = ReadonlyMap<string, ZoneRecordSet>;

const keyOf = ({ name, type, setIdentifier = '' }: ZoneRecordSet): string => `${name} ${type} ${setIdentifier}`;
const told = ({ name, type, setIdentifier }: ZoneRecordSet): string =>
  `[name='${name}', type='${type}'${setIdentifier === undefined ? '' : `, set-identifier='${setIdentifier}'`}]`;

/** The records after a batch, or every reason why it is refused. */
export function afterBatch(
  records: Records,
  changes: readonly ZoneChange[],
  zoneName: string,
): { readonly records: Records } | { readonly refused: readonly string[] } {
  const next = new Map(records);
  const refused = changes.flatMap(({ action, set }) => {
    const why = malformed(set, zoneName) ?? impossible(action, set, next);
    if (why === null) make(action, set, next);
    return why ?? [];
  });
  return refused.length > 0 ? { refused } : { records: next };
}

function make(action: string, set: ZoneRecordSet, records: Map<string, ZoneRecordSet>): void {
  if (action === 'DELETE') records.delete(keyOf(set));
  else records.set(keyOf(set), set);
}

function impossible(action: string, set: ZoneRecordSet, records: Records): string | null {
  const present = records.get(keyOf(set));
  if (action === 'DELETE') {
    if (present === undefined) return `Tried to delete resource record set ${told(set)} but it was not found`;
    return same(present, set)
      ? null
      : `Tried to delete resource record set ${told(set)} but the values provided do not match the current values`;
  }
  if (action !== 'CREATE' && action !== 'UPSERT') return `unknown action '${action}'`;
  if (action === 'CREATE' && present) return `Tried to create resource record set ${told(set)} but it already exists`;
  return clash(
    set,
    [...records.values()].filter((one) => one !== present),
  );
}

function same(one: ZoneRecordSet, other: ZoneRecordSet): boolean {
  const text = ({ ttl, values, failover, healthCheckId }: ZoneRecordSet) =>
    JSON.stringify([ttl, [...values].sort(), failover ?? null, healthCheckId ?? null]);
  return text(one) === text(other);
}

// What may not stand beside each other under one name.
function clash(set: ZoneRecordSet, others: readonly ZoneRecordSet[]): string | null {
  const beside = others.filter(({ name }) => name === set.name);
  const isCname = ({ type }: ZoneRecordSet) => type === 'CNAME';
  const conflict = beside.find((one) => one.type !== set.type && (isCname(one) || isCname(set)));
  if (conflict) return `RRSet ${told(set)} is not permitted as it conflicts with other records with the same DNS name`;
  const ofType = beside.filter(({ type }) => type === set.type);
  if (ofType.some(({ failover }) => (failover === undefined) !== (set.failover === undefined)))
    return `RRSet ${told(set)} cannot be created as a record set of another routing policy exists`;
  if (ofType.some(({ failover }) => failover !== undefined && failover === set.failover))
    return `RRSet ${told(set)} cannot be created as there is a ${set.failover} already`;
  return null;
}

const VALUES: Readonly<Record<string, (value: string) => boolean>> = {
  A: isIPv4,
  AAAA: isIPv6,
  CNAME: (value) => /^[a-z0-9._-]+$/i.test(value),
  NS: (value) => /^[a-z0-9._-]+$/i.test(value),
  SOA: () => true,
  TXT: (value) => /^"[^"]{1,255}"( "[^"]{1,255}")*$/.test(value),
};

function malformed(set: ZoneRecordSet, zoneName: string): string | null {
  const fits = VALUES[set.type];
  if (set.name !== zoneName && !set.name.endsWith(`.${zoneName}`))
    return `RRSet with DNS name ${set.name} is not permitted in zone ${zoneName}`;
  if (fits === undefined) return `unknown type '${set.type}'`;
  if (!Number.isInteger(set.ttl) || set.ttl < 0) return `${told(set)} has no TTL`;
  if (set.values.length === 0) return `${told(set)} has no values`;
  if (new Set(set.values).size < set.values.length) return `Duplicate Resource Record in ${told(set)}`;
  if (set.type === 'CNAME' && set.values.length > 1) return `${told(set)} has more than one value`;
  if (set.type === 'CNAME' && set.name === zoneName) return `${told(set)} is not permitted at apex in zone ${zoneName}`;
  if ((set.failover === undefined) !== (set.setIdentifier === undefined))
    return `${told(set)} is half a failover record`;
  const wrong = set.values.find((value) => !fits(value));
  return wrong === undefined ? null : `Value '${wrong}' is not fit for a ${set.type} record`;
}
