// What a Terraform plan would do, read from its JSON form, and whether it may be done: what holds data is never destroyed
// or replaced, and an action that is not known is taken for a destruction.
import { Failure } from './failures.ts';
import { canonicalJson } from './json.ts';
import { counted } from './quantities.ts';
import { STATEFUL_TYPES } from './terraform-stateful.ts';

export type TerraformAction = 'create' | 'update' | 'delete' | 'replace' | 'forget' | 'unknown';

export interface TerraformChange {
  /** As Terraform names it; may hold keys from outside: shown through `shownAddress` alone. */
  readonly address: string;
  readonly type: string;
  readonly action: TerraformAction;
  readonly isStateful: boolean;
}

/** A plan that lies in a file at the witness, ready to be applied as it is. */
export interface TerraformPlan {
  readonly site: string;
  /** SHA-256 of the plan file, lower-case hex. */
  readonly digest: string;
  readonly changes: readonly TerraformChange[];
  /** What is gone or different outside of Terraform, an address each. */
  readonly drifted: readonly string[];
}

/** What was made, and what the configuration tells of it. */
export interface TerraformApplied {
  readonly site: string;
  /** Of the plan that was agreed to. */
  readonly digest: string;
  /** Changes made in this call; fewer than were agreed to when an earlier call had made some. */
  readonly done: number;
  /** The outputs that are not sensitive, by name; values that are no plain text are JSON. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** The part of `terraform show -json` that decisions rest on. */
export interface ShownTerraformPlan {
  readonly format_version?: string;
  readonly errored?: boolean;
  readonly complete?: boolean;
  readonly resource_changes?: readonly ShownChange[];
  readonly resource_drift?: readonly ShownChange[];
  readonly deferred_changes?: readonly unknown[];
}

interface ShownChange {
  readonly address: string;
  readonly type: string;
  /** Set when an object is meant that a replacement has left behind. */
  readonly deposed?: string;
  readonly action_reason?: string;
  readonly change: {
    readonly actions: readonly string[];
    readonly after?: unknown;
    readonly after_unknown?: unknown;
  };
}

const ACTIONS: Readonly<Record<string, TerraformAction | null>> = {
  'no-op': null,
  read: null,
  create: 'create',
  update: 'update',
  delete: 'delete',
  'delete+create': 'replace',
  'create+delete': 'replace',
  forget: 'forget',
};

/**
 * The changes of a plan and what has drifted.
 * @param stateful types and addresses that hold data besides the known types.
 * @throws {Failure} TERRAFORM_REFUSED when the plan is not one that can be judged.
 */
export function readTerraformPlan(
  shown: ShownTerraformPlan,
  stateful: readonly string[],
): Pick<TerraformPlan, 'changes' | 'drifted'> {
  requireJudgeable(shown);
  const changes = (shown.resource_changes ?? []).flatMap((one): TerraformChange[] => {
    const action = actionOf(one);
    if (action === null) return [];
    return [{ address: addressOf(one), type: one.type, action, isStateful: holdsData(one, stateful) }];
  });
  return { changes, drifted: (shown.resource_drift ?? []).filter(isDrift).map(({ address }) => address) };
}

function requireJudgeable({
  format_version: format,
  errored,
  complete,
  deferred_changes: deferred,
}: ShownTerraformPlan) {
  if (!format?.startsWith('1.'))
    throw refused(`Terraform shows its plan in format '${format ?? 'none'}', which is not known here`);
  if (errored === true) throw refused('Terraform could not make the whole plan');
  if (complete === false || (deferred?.length ?? 0) > 0)
    throw refused('Terraform put some changes off to a later plan: this one does not show everything');
}

function actionOf({ change: { actions } }: ShownChange): TerraformAction | null {
  const known = ACTIONS[actions.join('+')];
  return known === undefined ? 'unknown' : known;
}

const addressOf = ({ address, deposed }: ShownChange): string =>
  deposed === undefined ? address : `${address} (deposed ${deposed})`;

const isDrift = ({ change }: ShownChange): boolean => change.actions.join() !== 'no-op';

// Keys of count and for_each are data: they are taken off, quotes and all, before a name is compared.
const withoutKeys = (address: string): string => address.replaceAll(/\["(?:[^"\\]|\\.)*"\]|\[\d+\]/g, '');

function holdsData({ address, type }: ShownChange, stateful: readonly string[]): boolean {
  return STATEFUL_TYPES.has(type) || stateful.some((name) => [type, address, withoutKeys(address)].includes(name));
}

const LOSING: readonly TerraformAction[] = ['delete', 'replace', 'forget', 'unknown'];

/** @throws {Failure} TERRAFORM_REFUSED naming every resource that holds data and would not stay, or cannot be judged. */
export function requireNothingLost(changes: readonly TerraformChange[]): void {
  const lost = changes.filter(
    ({ action, isStateful }) => action === 'unknown' || (isStateful && LOSING.includes(action)),
  );
  if (lost.length === 0) return;
  throw refused(`the plan would not keep what holds data: ${lost.map(changeLine).join('; ')}`);
}

/**
 * Whether a plan made after an apply that stopped on the way is the rest of what was agreed to: no resource besides, no
 * other action, no other value. What was being made when it stopped is tainted, and making it anew is part of making it.
 * @throws {Failure} PLAN_CHANGED naming what is beyond it.
 */
export function requireRest(agreed: ShownTerraformPlan, rest: ShownTerraformPlan): void {
  requireJudgeable(rest);
  const wanted = new Map((agreed.resource_changes ?? []).map((one) => [addressOf(one), one]));
  const beyond = (rest.resource_changes ?? []).filter(
    (one) => actionOf(one) !== null && !isPartOf(wanted.get(addressOf(one)), one),
  );
  if (beyond.length === 0) return;
  const names = beyond.map((one) => shownAddress(addressOf(one))).join(', ');
  throw new Failure('PLAN_CHANGED', `what is left to do is not part of the plan that was agreed to: ${names}`);
}

function isPartOf(agreed: ShownChange | undefined, rest: ShownChange): boolean {
  if (agreed === undefined) return false;
  const finishes = actionOf(agreed) === 'create' && rest.action_reason === 'replace_because_tainted';
  return (finishes || actionOf(agreed) === actionOf(rest)) && hasValuesOf(agreed, rest);
}

function hasValuesOf({ change: agreed }: ShownChange, { change: rest }: ShownChange): boolean {
  const after = asRecord(rest.after);
  const open = asRecord(agreed.after_unknown);
  return Object.entries(asRecord(agreed.after)).every(
    ([name, value]) => isOpen(open[name]) || canonicalJson(value) === canonicalJson(after[name]),
  );
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const isOpen = (value: unknown): boolean => value === true || Object.values(asRecord(value)).some(isOpen);

const WORDS: Readonly<Record<TerraformAction, string>> = {
  create: 'creates',
  update: 'updates',
  delete: 'deletes',
  replace: 'REPLACES',
  forget: 'forgets',
  unknown: 'does something unknown to',
};

/** An address as it may be shown anywhere: a key in it can hold what a terminal or a page would obey. */
export const shownAddress = (address: string): string =>
  address.replaceAll(/[^ !"#$%&'()*+,\-./0-9:;=?@A-Z[\]^_a-z{}~]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });

/** One change in words. */
export const changeLine = ({ address, action, isStateful }: TerraformChange): string =>
  `${WORDS[action]} ${shownAddress(address)}${isStateful ? ' (holds data)' : ''}`;

/** A plan in lines, as people read it before they agree. */
export function terraformLines({ site, changes, drifted }: TerraformPlan): readonly string[] {
  if (changes.length === 0) return [`Terraform has nothing to change at '${site}'`];
  const drift = drifted.map((address) => `changed outside of Terraform: ${shownAddress(address)}`);
  return [
    `Terraform changes ${counted(changes.length, 'resource')} at '${site}'`,
    ...changes.map((change) => `Terraform ${changeLine(change)}`),
    ...drift,
  ];
}

/** True when a store's server is among what would be made: until then nothing can be seen of it. */
export const makesStores = ({ changes }: TerraformPlan): boolean =>
  changes.some(({ action, isStateful }) => action === 'create' && isStateful);

/** @throws {Failure} SITE_UNPROVISIONED while a store's server is yet to be made. */
export function requireStores(plan: TerraformPlan): void {
  if (!makesStores(plan)) return;
  const [, ...lines] = terraformLines(plan);
  const mend = `'dr failover run --to ${plan.site}' shows these changes first, makes them when a person agrees, and plans then`;
  throw new Failure('SITE_UNPROVISIONED', `site '${plan.site}' does not stand yet: ${lines.join('; ')}`, { mend });
}

/** Who holds the state, out of Terraform's own words; null when they do not speak of a lock. */
export function lockHolderIn(words: string): { readonly id: string; readonly who: string } | null {
  if (!/state lock/i.test(words)) return null;
  const field = (name: string) => new RegExp(`^[^\\S\\n]*${name}:[^\\S\\n]*(\\S.*)$`, 'm').exec(words)?.[1]?.trim();
  const [who = 'unknown', operation = 'unknown', created = 'unknown'] = ['Who', 'Operation', 'Created'].map(field);
  return { id: field('ID') ?? 'unknown', who: shownAddress(`${who}, ${operation}, since ${created}`) };
}

const refused = (what: string): Failure => new Failure('TERRAFORM_REFUSED', what);
