// Every workflow of several steps stands before the same laws.
import { afterAll, beforeAll } from 'vitest';
import { obeysTheLaws } from '../contracts/laws.ts';
import { seed } from '../integration/strikes.ts';
import { FAILED_OVER } from './fake-failover.ts';
import { createFakeWorld, type FakeWorld } from './fake-world.ts';
import { BACKUP, CONTEXT, type LawCourt, openCourt, restoring, worldWithBackups } from './law-world.ts';

let court: LawCourt;
beforeAll(async () => {
  process.stdout.write(`laws: seed ${seed} (repeat with HOLDFAST_SEED=${seed})\n`);
  court = await openCourt();
});
afterAll(() => court?.close());
const given = () => court;

const CLOSING = ['audit.record', 'notification.notify'];
const TAKING = [
  'postgres.inspect',
  'postgres.takeBackup',
  'repository.listBackups',
  'repository.copyToTier:local',
  'repository.copyToTier:s3',
  'repository.readBack:local',
  'repository.readBack:s3',
  'repository.seal',
  'repository.clearSpool',
  ...CLOSING,
  'audit.copyToTiers',
];
const RESTORING = [
  'postgres.planRestore',
  ...['fetch', 'stop', 'replace', 'start', 'validate'].map((step) => `postgres.runRestoreStep:${step}`),
  'postgres.finishRestore',
];
const RETAINING = [
  'repository.planRetention',
  'repository.applyRetention:withdraw',
  'repository.applyRetention:delete',
  ...CLOSING,
  'audit.copyToTiers',
];

const freshWorld = async () => createFakeWorld();
const stored = ({ unsealed, sealed }: FakeWorld) => [unsealed.size, sealed.size > 0];

/** A world whose older backup retention may take. */
async function worldWithOldBackup(): Promise<FakeWorld> {
  const world = await worldWithBackups(2);
  world.doomed.add('b1');
  return world;
}

/** A world of backups whose standby has its stores, and lacks what is around them. */
async function worldWithStores(): Promise<FakeWorld> {
  const world = await worldWithBackups();
  world.ground.made.add('vm.stores');
  return world;
}

obeysTheLaws(
  {
    workflow: 'backUpSystem',
    input: BACKUP,
    prepare: freshWorld,
    acts: TAKING,
    // What cannot be compared with earlier backups is stored with a warning.
    dispensable: ['repository.listBackups'],
    state: stored,
    cleanUps: ['repository.clearSpool'],
    failingUndo: { act: 'repository.readBack:s3', undo: 'repository.discardUnsealed' },
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'backUpPlatform',
    input: { ...CONTEXT, systems: [{ system: 'postgres', kinds: ['logical'] }], applyRetention: true },
    prepare: worldWithOldBackup,
    acts: ['repository.prepare', ...TAKING, ...RETAINING.filter((act) => !TAKING.includes(act))],
    dispensable: ['repository.listBackups'],
    state: (world) => [
      stored(world),
      [...world.withdrawn],
      [...world.sealed.keys()].some((id) => world.doomed.has(id)),
    ],
    cleanUps: ['repository.clearSpool'],
    failingUndo: { act: 'repository.copyToTier:local', undo: 'repository.clearSpool' },
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'restoreSystem',
    input: restoring(),
    prepare: worldWithBackups,
    acts: ['repository.listBackups', ...RESTORING, ...CLOSING],
    // Another tier's list is enough to restore from.
    dispensable: ['repository.listBackups'],
    state: ({ inEffect }) => [...inEffect].sort(),
    cleanUps: ['postgres.finishRestore'],
    failingUndo: { act: 'postgres.runRestoreStep:start', undo: 'postgres.undoRestoreStep:replace' },
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'failOver',
    input: {
      ...CONTEXT,
      ...{ systems: ['postgres'], at: null, unproven: true, kinds: {}, options: {}, dryRun: false },
      // The backup that follows is a run of its own, which stands before the laws above.
      ...{ movesNames: true, provisions: true, protect: [] },
    },
    prepare: worldWithStores,
    acts: [
      ...['terraform.planChanges', 'terraform.applyPlan'],
      ...['failover.readEpoch', 'failover.approvalsNeeded', 'failover.planFence', 'recovery.digestPlan'],
      ...[
        'failover.takeEpoch:failover',
        'failover.fence',
        'ledger.readMarkers',
        'ledger.readOutage',
        'ledger.recordFailover',
        'dns.readDns',
        'dns.moveDns',
        'dns.awaitDns',
        'dns.probeOldAddresses',
        'postgres.inspect',
        'repository.listBackups',
      ],
      ...[...RESTORING, ...CLOSING],
    ],
    // What was lost is unknown then, and told: nobody waits for a figure.
    dispensable: ['repository.listBackups', 'ledger.readMarkers'],
    refusesAgain: 'SITE_ACTIVE',
    state: ({ epochs, names, inEffect, ground }) => [
      ...[epochs.at(-1)?.to, names.at(-1), [...inEffect].sort()],
      [...ground.made].sort(),
    ],
    cleanUps: ['postgres.finishRestore'],
    failingUndo: { act: 'postgres.runRestoreStep:start', undo: 'failover.takeEpoch:undo' },
  },
  given,
);

const HANDOVER = {
  ...CONTEXT,
  ...{ systems: ['postgres'], kinds: {}, options: {}, dryRun: false, movesNames: true, provisions: true, protect: [] },
};
/** What a handover does beyond a failover. */
const HANDING_OVER = [
  ...['failover.planHandover', 'failover.quiesce:west', 'failover.quiesce:east', 'failover.letClientsIn:west'],
  ...['postgres.readPosition', 'repository.seal'],
];
const FAILING_OVER = [
  ...['failover.readEpoch', 'failover.approvalsNeeded', 'failover.planFence', 'recovery.digestPlan', 'failover.fence'],
  ...['dns.readDns', 'dns.moveDns', 'dns.awaitDns', 'dns.probeOldAddresses'],
  ...['terraform.planChanges', 'terraform.applyPlan'],
  ...['ledger.readMarkers', 'ledger.readOutage', 'ledger.recordFailover'],
  ...['postgres.inspect', 'repository.listBackups', ...RESTORING, ...CLOSING],
];
/** Of the final backup, which is a run of its own. */
const BACKING_UP = ['repository.prepare', ...TAKING];
const without = (acts: readonly string[], judged: readonly string[]) => acts.filter((act) => !judged.includes(act));
/** The old site serves again unless the new one was opened. */
const closedAtEast = ({ closed, epochs }: FakeWorld) =>
  epochs.at(-1)?.to === 'west' ? [] : [...closed].filter((what) => what.startsWith('east'));
const handedOver = ({ epochs, names, inEffect, closed }: FakeWorld) => [
  ...[epochs.at(-1)?.to, names.at(-1), [...inEffect].sort()],
  [...closed].filter((what) => what.startsWith('east')).sort(),
];

// What comes before and after these is the failover's, and stands before the laws there.
const PLANNED = [
  ...['failover.takeEpoch:failover', ...HANDING_OVER, 'failover.fence', 'dns.moveDns'],
  ...['postgres.planRestore', 'postgres.runRestoreStep:replace', 'audit.record'],
];
obeysTheLaws(
  {
    workflow: 'failOverPlanned',
    input: HANDOVER,
    prepare: worldWithStores,
    acts: PLANNED,
    judgedElsewhere: without([...FAILING_OVER, ...BACKING_UP], PLANNED),
    refusesAgain: 'SITE_ACTIVE',
    state: handedOver,
    leaves: closedAtEast,
    cleanUps: [],
    failingUndo: { act: 'postgres.runRestoreStep:start', undo: 'failover.undoFence' },
  },
  given,
);

async function worldThatFailedOver(): Promise<FakeWorld> {
  const world = await worldWithStores();
  world.epochs.push(FAILED_OVER);
  return world;
}

const RETURNING = ['failover.formerSites', 'failover.takeEpoch:failback'];
obeysTheLaws(
  {
    workflow: 'failBack',
    input: HANDOVER,
    prepare: worldThatFailedOver,
    acts: RETURNING,
    // All else is the handover that the planned failover is judged by.
    judgedElsewhere: [...FAILING_OVER, ...HANDING_OVER, ...BACKING_UP],
    refusesAgain: 'SITE_ACTIVE',
    state: handedOver,
    leaves: closedAtEast,
    cleanUps: [],
    failingUndo: { act: 'postgres.runRestoreStep:start', undo: 'failover.letClientsIn:east' },
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'verifyBackups',
    input: { ...CONTEXT, systems: ['postgres'], maximumAgeSeconds: {}, depth: 'proof', backup: null, all: false },
    prepare: worldWithBackups,
    acts: [
      ...['repository.listBackups', 'repository.prepare', 'audit.verify', 'postgres.checkBackup'],
      ...[
        'repository.checkStored:local',
        'repository.checkStored:s3',
        'repository.recordProof',
        'repository.writeRunbook',
      ],
      ...[...RESTORING, ...CLOSING, 'audit.copyToTiers'],
    ],
    state: ({ sealed }) => [...sealed.values()].map(({ standing }) => standing),
    cleanUps: ['postgres.finishRestore'],
    failingUndo: { act: 'postgres.runRestoreStep:start', undo: 'postgres.undoRestoreStep:replace' },
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'applyRetention',
    input: { ...CONTEXT, dryRun: false },
    prepare: worldWithOldBackup,
    acts: RETAINING,
    state: ({ sealed, withdrawn }) => [sealed.size, withdrawn.size],
    cleanUps: [],
  },
  given,
);

obeysTheLaws(
  {
    workflow: 'changeHold',
    input: { ...CONTEXT, backup: { system: 'postgres', backupId: 'b1' }, hold: true, reason: 'audit' },
    prepare: worldWithBackups,
    acts: ['repository.holdBackup', ...CLOSING],
    state: ({ sealed }) => [...sealed.values()].map(({ held }) => held),
    cleanUps: [],
  },
  given,
);
