// A world in memory behind the contracts: a store, a repository of two tiers, an audit log. It remembers what is where,
// so that a test can ask whether a run left a clean slate, and it can be told to fail at any act.
import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import type { Finding, RestorePlan, RestoreStep, RestoreStepInput } from '../../domain/contracts/protected-system.ts';
import type {
  AuditEntry,
  Notice,
  ProofInput,
  RotateKeysInput,
  SealInput,
  TierInput,
} from '../../domain/contracts/repository.ts';
import type { EpochRecord } from '../../domain/epoch.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { BackupRef, BackupSummary, TakenBackup } from '../../domain/manifest.ts';
import type { RetentionPlan } from '../../domain/retention.ts';
import { SYSTEM_NAMES, type SystemName } from '../../domain/systems.ts';
import type { ActivityMap } from '../support/temporal-environment.ts';
import { type FakeGround, failoverActs } from './fake-failover.ts';

export interface FakeWorld {
  readonly activities: ActivityMap;
  /** Acts in the order they were begun, for example `postgres.takeBackup`. */
  readonly acts: string[];
  readonly spool: Set<string>;
  /** `tier/backupId` of copies that are not sealed. */
  readonly unsealed: Set<string>;
  readonly sealed: Map<string, BackupSummary>;
  /** Steps of a restore that are in effect. */
  readonly inEffect: Set<string>;
  readonly scratch: Set<string>;
  /** True after a restore that was carried to its end: its steps stay in effect. */
  isRestored(): boolean;
  /** Backups that retention may take: withdrawn first, then deleted. */
  readonly doomed: Set<string>;
  readonly withdrawn: Set<string>;
  readonly audit: AuditEntry[];
  readonly notices: Notice[];
  /** The epochs that were taken. */
  readonly epochs: EpochRecord[];
  /** The sites that the public names were given to, the last one now. */
  readonly names: string[];
  /** What Terraform has made, and plans of it that lie at the witness. */
  readonly ground: FakeGround;
  /** What a handover closed: `<site>: clients`, `<site>: fenced`. */
  readonly closed: Set<string>;
  /** The runs that recorded a proof. */
  readonly proofs: string[];
  /** What a backup that is taken now holds. */
  counts: Readonly<Record<string, number>>;
  /** What a look at the repository finds. */
  readonly repositoryFindings: Finding[];
  /** Backups whose key is wrapped for others than configured. */
  readonly stale: Set<number>;
  /** What a rotation of keys finds at the second of three backups. */
  readonly unrotatable: Finding[];
  /** Makes an act fail for good: before it takes effect, or after. Cleared by `mend`. */
  break(act: string, when: 'before' | 'after', code?: FailureCode): void;
  mend(): void;
  /** Runs every undo and every step twice: a second run must change nothing. */
  repeat: boolean;
}

const STEPS: readonly RestoreStep[] = ['fetch', 'stop', 'replace', 'start', 'validate'].map((id) => ({
  id,
  title: `step ${id}`,
  skippable: id === 'validate',
  hasUndo: id !== 'fetch' && id !== 'validate',
  safeToLeave: `${id} can wait`,
}));

const FACTS = { identity: 'id', version: '15', estimatedBytes: 1, counts: {}, source: {}, findings: [] };

export function createFakeWorld(): FakeWorld {
  const acts: string[] = [];
  const spool = new Set<string>();
  const unsealed = new Set<string>();
  const sealed = new Map<string, BackupSummary>();
  const inEffect = new Set<string>();
  const scratch = new Set<string>();
  const doomed = new Set<string>();
  const withdrawn = new Set<string>();
  let isRestored = false;
  const epochs: EpochRecord[] = [];
  const names: string[] = [];
  const ground: FakeGround = { made: new Set(), plans: new Set() };
  const closed = new Set<string>();
  const audit: AuditEntry[] = [];
  const notices: Notice[] = [];
  const proofs: string[] = [];
  const repositoryFindings: Finding[] = [];
  const broken = new Map<string, { readonly when: 'before' | 'after'; readonly code: FailureCode }>();
  const seen = {
    acts,
    spool,
    unsealed,
    sealed,
    inEffect,
    scratch,
    doomed,
    withdrawn,
    audit,
    notices,
    proofs,
    epochs,
    names,
    ground,
    closed,
  };
  const counts: Readonly<Record<string, number>> = {};
  const stale = new Set([1, 2, 3]);
  const unrotatable: Finding[] = [];
  const world = {
    ...seen,
    repositoryFindings,
    stale,
    unrotatable,
    isRestored: () => isRestored,
    repeat: false,
    counts,
  };

  // biome-ignore lint/suspicious/noExplicitAny: acts have different inputs.
  const act = (name: string, effect: (input: any) => unknown, detail: (input: any) => string = () => '') => ({
    [name]: async (input: unknown) => {
      const named = `${name}${detail(input)}`;
      acts.push(named);
      const fault = broken.get(named);
      if (fault?.when === 'before') throw failure(named, fault.code);
      const result = effect(input);
      if (world.repeat) effect(input);
      if (fault?.when === 'after') throw failure(named, fault.code);
      return result;
    },
  });

  const step = ({ stepId }: RestoreStepInput) => `:${stepId}`;
  const tier = ({ tier: name }: TierInput) => `:${name}`;
  const taking = (name: SystemName) => ({
    ...act(`${name}.inspect`, () => FACTS),
    ...act(`${name}.readPosition`, () => ({ position: '0', detail: 'no writes' })),
    ...act(`${name}.takeBackup`, ({ backup, kind }) => take(backup, kind, spool, world.counts)),
  });
  const activities: ActivityMap = {
    ...act('repository.prepare', () => ({ platform: 'p', tiers: [], findings: repositoryFindings })),
    ...act(
      'repository.listBackups',
      () => [...sealed.values()],
      ({ tier: name }) => (name === null ? '' : `:${name}`),
    ),
    ...act('repository.copyToTier', (input: TierInput) => copy(input, unsealed), tier),
    ...act('repository.readBack', (input: TierInput) => ({ tier: input.tier, objects: [] }), tier),
    ...act('repository.seal', ({ taken }: SealInput) => seal(taken, unsealed, sealed)),
    ...act('repository.clearSpool', ({ backup }: { backup: BackupRef }) => void spool.delete(backup.backupId)),
    ...act('repository.discardUnsealed', ({ backup }: { backup: BackupRef }) => discard(backup, unsealed)),
    ...act(
      'repository.checkStored',
      () => [],
      ({ tier: name }) => `:${name}`,
    ),
    ...act('repository.recordProof', ({ backup, run }: ProofInput) => {
      proofs.push(run);
      prove(backup, sealed);
    }),
    ...act('audit.copyToTiers', () => undefined),
    ...act('audit.verify', () => []),
    ...act('repository.holdBackup', ({ backup }: { backup: BackupRef }) => hold(backup, sealed, true)),
    ...act('repository.releaseBackup', ({ backup }: { backup: BackupRef }) => hold(backup, sealed, false)),
    ...act('repository.planRetention', () => retentionOf(sealed, doomed)),
    ...act(
      'repository.applyRetention',
      ({ plan, phase }: RetentionInput) => retain(plan, phase, { sealed, withdrawn }),
      ({ phase }) => `:${phase}`,
    ),
    ...act('repository.writeRunbook', () => undefined),
    ...act('repository.planKeyRotation', () => ({ domains: [domainPlan(stale.size)], digest: 'approved' })),
    ...act('repository.rotateKeys', ({ after }: RotateKeysInput) => {
      const next = [1, 2, 3].find((sequence) => sequence > after) ?? null;
      if (next !== null) stale.delete(next);
      return { after: next, rotated: next === null ? 0 : 1, findings: next === 2 ? [...unrotatable] : [] };
    }),
    ...act('repository.removeRetiredKeys', () => 3 - stale.size),
    ...act('tls.waitForChange', () => ({ digest: 'known', changedFiles: [] })),
    ...act('notification.notify', (notice: Notice) => once(notices, notice, ({ run, type }) => `${run} ${type}`)),
    ...act('audit.record', (entry: AuditEntry) => once(audit, entry, ({ run, act: name }) => `${run} ${name}`)),
    ...failoverActs(act, { epochs, names, ground, closed }),
    ...Object.assign({}, ...SYSTEM_NAMES.map(taking)),
    ...act('postgres.checkBackup', ({ backup }) => ({ backup, findings: [], bytesRead: 1 })),
    // Nobody finishes a run without a plan: a planning that fails removes its scratch itself.
    ...act('postgres.planRestore', (request) => {
      isRestored = false;
      if (!broken.has('postgres.planRestore')) scratch.add(request.run);
      return planOf(request);
    }),
    ...act(
      'postgres.runRestoreStep',
      ({ stepId }: RestoreStepInput) => {
        inEffect.add(stepId);
        return { summary: `${stepId} is done`, findings: [], facts: {} };
      },
      step,
    ),
    ...act(
      'postgres.undoRestoreStep',
      ({ stepId }: RestoreStepInput) => {
        inEffect.delete(stepId);
        return { summary: '', findings: [], facts: {} };
      },
      step,
    ),
    ...act('postgres.finishRestore', ({ plan, outcome }) => {
      isRestored = outcome === 'succeeded';
      if (outcome !== 'stuck') scratch.delete(plan.request.run);
      return { kept: [] };
    }),
  };
  return Object.assign(world, {
    activities,
    break: (name: string, when: 'before' | 'after', code: FailureCode = 'TOOL_FAILED') =>
      void broken.set(name, { when, code }),
    mend: () => broken.clear(),
  });
}

const domainPlan = (stale: number) => ({ domain: 'general', wanted: [], added: [], removed: [], backups: 3, stale });

// As the contracts say: the same run and act are told and recorded once.
function once<T>(list: T[], entry: T, keyOf: (entry: T) => string): void {
  if (!list.some((there) => keyOf(there) === keyOf(entry))) list.push(entry);
}

const failure = (name: string, type: FailureCode) =>
  ApplicationFailure.create({ type, message: `${name} failed\nMEANS: x\nDO: y`, nonRetryable: true });

function take(
  backup: BackupRef,
  kind: string,
  spool: Set<string>,
  counts: Readonly<Record<string, number>>,
): TakenBackup {
  spool.add(backup.backupId);
  const at = '2026-11-23T00:00:00.000Z';
  const facts = {
    ...backup,
    kind,
    site: 'west',
    startedAt: at,
    momentAt: at,
    finishedAt: at,
    source: {},
    tools: {},
    artifacts: [],
  };
  return {
    facts: { ...facts, counts, parents: [], marker: null, warnings: [], report: {} },
    spoolDirectory: '/spool',
    recipients: [],
    key: { name: 'key.1', storedBytes: 0, storedSha256: '' },
  };
}

function copy({ taken, tier }: TierInput, unsealed: Set<string>) {
  unsealed.add(`${tier}/${taken.facts.backupId}`);
  return { tier, objects: [] };
}

function discard({ backupId }: BackupRef, unsealed: Set<string>): void {
  for (const entry of [...unsealed]) if (entry.endsWith(`/${backupId}`)) unsealed.delete(entry);
}

function seal({ facts }: TakenBackup, unsealed: Set<string>, sealed: Map<string, BackupSummary>): BackupSummary {
  const { system, backupId, kind, site, momentAt, counts, warnings } = facts;
  const sequence = sealed.get(backupId)?.sequence ?? sealed.size + 1;
  const summary: BackupSummary = {
    ...{
      system,
      backupId,
      kind,
      site,
      sequence,
      momentAt,
      sealedAt: momentAt,
      standing: 'stored',
      provenAt: null,
      held: false,
    },
    ...{ tiers: ['local', 's3'], plainBytes: 10, storedBytes: 5, counts, parents: [], warnings },
  };
  discard(facts, unsealed);
  sealed.set(backupId, summary);
  return summary;
}

function prove({ backupId }: BackupRef, sealed: Map<string, BackupSummary>): void {
  const backup = sealed.get(backupId);
  if (backup) sealed.set(backupId, { ...backup, standing: 'proven', provenAt: backup.momentAt });
}

function hold({ backupId }: BackupRef, sealed: Map<string, BackupSummary>, held: boolean): void {
  const backup = sealed.get(backupId);
  if (backup) sealed.set(backupId, { ...backup, held });
}

interface RetentionInput {
  readonly plan: RetentionPlan;
  readonly phase: 'withdraw' | 'delete';
}

function retentionOf(sealed: ReadonlyMap<string, BackupSummary>, doomed: ReadonlySet<string>): RetentionPlan {
  const decisions = [...sealed.values()].map(({ system, backupId }) => {
    const isGoing = doomed.has(backupId);
    return { backup: { system, backupId }, tier: 'local', keep: !isGoing, reason: isGoing ? 'old' : 'young' };
  });
  return { madeAt: '', decisions, leftOut: 0, refusals: [], digest: '' };
}

function retain(
  { decisions }: RetentionPlan,
  phase: RetentionInput['phase'],
  { sealed, withdrawn }: Pick<FakeWorld, 'sealed' | 'withdrawn'>,
): readonly Finding[] {
  if (phase === 'delete') withdrawn.clear();
  else
    for (const { backup } of decisions.filter(({ keep }) => !keep)) {
      if (sealed.delete(backup.backupId)) withdrawn.add(backup.backupId);
    }
  return [];
}

function planOf(request: RestorePlan['request']): RestorePlan {
  const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  return {
    request,
    summary: ['replaces everything'],
    difference: {},
    warnings: [],
    steps: STEPS,
    observed: {},
    digest,
  };
}
