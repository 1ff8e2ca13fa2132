// Planning a failover: what is lost if it is done now, what is done and in which order, and what its proof of a fence is
// worth. Made before anything is touched; approvals bind to its digest.
import type { ApprovedAction } from './approval.ts';
import type { DnsState } from './contracts/dns.ts';
import type { RestorePlan, RestoreStep } from './contracts/protected-system.ts';
import type { Epoch } from './epoch.ts';
import { Failure } from './failures.ts';
import { formatSeconds } from './quantities.ts';
import { planRecovery, type RecoverySet } from './recovery.ts';
import type { SystemName } from './systems.ts';
import { type TerraformPlan, terraformLines } from './terraform.ts';

/** What is agreed to before another site becomes the active one, whichever way. */
export interface TakeoverPlan {
  readonly title: string;
  readonly action: ApprovedAction;
  readonly from: string;
  readonly to: string;
  /** The epoch that holds, and the one that the run takes. */
  readonly epoch: { readonly now: number; readonly next: number };
  readonly stages: readonly (readonly SystemName[])[];
  /** Of the Terraform plan that prepares the site; null when nothing is prepared. */
  readonly terraform: string | null;
  readonly approvals: number;
  readonly summary: readonly string[];
  readonly warnings: readonly string[];
  readonly steps: readonly RestoreStep[];
  /** SHA-256 of the canonical JSON of all the above. */
  readonly digest: string;
}

export interface FailoverPlan extends TakeoverPlan {
  readonly set: RecoverySet;
  readonly members: Readonly<Partial<Record<SystemName, string>>>;
  /** Seconds of each system's writes that are lost: from its backup's moment to the planning. */
  readonly lossSeconds: Readonly<Partial<Record<SystemName, number>>>;
}

/** What every plan of a takeover rests on. */
export interface TakeoverFacts {
  readonly platform: string;
  readonly to: string;
  readonly epoch: Epoch;
  readonly set: RecoverySet;
  readonly plans: Readonly<Partial<Record<SystemName, RestorePlan>>>;
  readonly approvals: number;
  /** Who may approve. */
  readonly people: readonly string[];
  /** How the old site is fenced, told by its configuration. */
  readonly fence: FencePlan;
  /** The public names; null where none are configured. */
  readonly names: DnsState | null;
  /** What Terraform has to change at the new site; null where none is configured. */
  readonly ground: TerraformPlan | null;
}

export interface FailoverFacts extends TakeoverFacts {
  /** ISO time of the planning. */
  readonly at: string;
}

/** How the old site will be cut off, before anybody tries. */
export interface FencePlan {
  readonly commands: number;
  readonly stores: readonly string[];
}

/** @throws {Failure} SITE_ACTIVE when it is that one already. */
export function requireOtherSite(epoch: Epoch, to: string): void {
  if (epoch.site !== to) return;
  throw new Failure('SITE_ACTIVE', `site '${to}' is the active one already (epoch ${epoch.number})`);
}

/** Everything of the plan but its digest, which an activity computes. */
export function planFailover(facts: FailoverFacts): Omit<FailoverPlan, 'digest'> {
  const { platform, to, epoch, set, plans, approvals } = facts;
  const from = epoch.site;
  const recovery = planRecovery({ platform, site: to, target: 'live', set, plans });
  const lossSeconds = lossOf(set, facts.at);
  return {
    title: `fail over platform '${platform}' from site '${from}' to site '${to}'`,
    action: 'failover',
    from,
    to,
    epoch: { now: epoch.number, next: epoch.number + 1 },
    set,
    stages: recovery.stages,
    members: recovery.members,
    lossSeconds,
    terraform: groundDigest(facts),
    approvals,
    summary: [
      ...lossLines(lossSeconds),
      epochLine(epoch),
      ...groundLines(facts),
      fenceLine(from, facts.fence),
      namesLine(facts.names),
      ...recovery.summary,
    ],
    warnings: [...peopleWarnings(facts), ...fenceWarnings(from, facts.fence), ...recovery.warnings],
    steps: takeoverSteps(facts, [planStep('fence', `Fence '${from}'`, false)], recovery.steps),
  };
}

function lossOf(set: RecoverySet, at: string): Readonly<Partial<Record<SystemName, number>>> {
  const seconds = (momentAt: string) => Math.max(0, (Date.parse(at) - Date.parse(momentAt)) / 1000);
  return Object.fromEntries(set.members.map(({ system, momentAt }) => [system, seconds(momentAt)]));
}

function lossLines(loss: Readonly<Partial<Record<SystemName, number>>>): readonly string[] {
  const each = Object.entries(loss).map(([system, seconds]) => `${system} ${formatSeconds(seconds)}`);
  return [`lost if it is done now: the writes of the last ${each.join(', ')}`];
}

/** Of what Terraform changes at the new site; null when it changes nothing. */
export const groundDigest = ({ ground }: TakeoverFacts): string | null =>
  ground === null || ground.changes.length === 0 ? null : ground.digest;

/** What Terraform changes, and that it stays. */
export const groundLines = (facts: TakeoverFacts): readonly string[] => [
  ...(facts.ground === null ? [] : terraformLines(facts.ground)),
  ...(groundDigest(facts) !== null ? ['what Terraform makes stays, also when the failover is undone'] : []),
];

/** Which number is taken, and who holds which now. */
export const epochLine = ({ number, site }: Epoch): string =>
  `takes epoch ${number + 1}; site '${site}' holds ${number === 0 ? 'it by the configuration' : `epoch ${number}`}`;

const fenceLine = (from: string, { commands, stores }: FencePlan): string =>
  commands === 0
    ? `no command fences '${from}': its ${stores.length} stores have to refuse, or people attest that it is cut off`
    : `${commands} commands fence '${from}', proven at its ${stores.length} stores`;

/** What becomes of the public names. */
export const namesLine = (names: DnsState | null): string =>
  names === null
    ? 'no public names are configured: sending clients to the new site is yours'
    : `moves ${names.records.map(({ name }) => name).join(', ')} in zone ${names.zone.name}`;

/** Told when fewer people may approve than have to. */
export const peopleWarnings = ({ approvals, people }: TakeoverFacts): readonly string[] =>
  people.length >= approvals
    ? []
    : [`${approvals} people have to approve, and failover.approvers names ${people.length}: it cannot be carried out`];

/** Told when only people could say that the old site is cut off. */
export const fenceWarnings = (from: string, { stores }: FencePlan): readonly string[] =>
  stores.length === 0 ? [`'${from}' has no store that could prove the fence: people have to attest it`] : [];

/** A step as a plan shows it. */
export const planStep = (id: string, title: string, hasUndo: boolean): RestoreStep => ({
  ...{ id, title, hasUndo },
  ...{ skippable: false, safeToLeave: '' },
});

/** The steps of a takeover: what happens at the old site, then the restores, each between those that all have. */
export function takeoverSteps(
  facts: TakeoverFacts,
  atOldSite: readonly RestoreStep[],
  restores: readonly RestoreStep[],
): readonly RestoreStep[] {
  const { to, names } = facts;
  return [
    planStep('lock', `Take the next epoch for '${to}'`, true),
    ...(groundDigest(facts) === null ? [] : [planStep('prepare', `Prepare '${to}' by Terraform`, false)]),
    ...atOldSite,
    ...restores,
    planStep('validate', `Look at every store of '${to}'`, false),
    ...(names === null ? [] : [planStep('traffic', `Move the public names to '${to}'`, true)]),
    planStep('open', `Open '${to}': from here on nothing is undone`, false),
    planStep('protect', `Back up '${to}'`, false),
  ];
}

/** What a look at one store of the old site proved. */
export interface FenceProof {
  readonly store: string;
  readonly address: string;
  /** `refused` proves that nothing is served there; `unknown` is a silence; `open` is a store that answers. */
  readonly state: 'refused' | 'unknown' | 'open';
  readonly detail: string;
}

/** The stores that prove nothing, in words. */
export const proofLine = ({ store, address, state, detail }: FenceProof): string =>
  `${store} at ${address}: ${state}${detail === '' ? '' : ` (${detail})`}`;

/** @throws {Failure} FENCE_OPEN while a store answers: nobody can attest that away. */
export function requireNoneOpen(from: string, proofs: readonly FenceProof[]): void {
  const open = proofs.filter(({ state }) => state === 'open');
  if (open.length === 0) return;
  throw new Failure('FENCE_OPEN', `site '${from}' still serves: ${open.map(proofLine).join('; ')}`, { site: from });
}

/** @throws {Failure} FENCE_UNPROVEN when a store's silence, or the lack of any store, leaves it open. */
export function requireProven(from: string, proofs: readonly FenceProof[]): void {
  const unknown = proofs.filter(({ state }) => state !== 'refused');
  if (unknown.length === 0 && proofs.length > 0) return;
  const why = proofs.length === 0 ? 'it has no store to ask' : unknown.map(proofLine).join('; ');
  throw new Failure('FENCE_UNPROVEN', `nothing proves that site '${from}' is cut off: ${why}`, { site: from });
}
