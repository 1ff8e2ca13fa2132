// The schedules that a configuration wants, as data. Temporal is told of them elsewhere.
import { createHash } from 'node:crypto';
import { kindsToTake, systemsOf } from '../domain/configuration/protection.ts';
import { durationMs } from '../domain/configuration/schema.ts';
import { canonicalJson } from '../domain/json.ts';
import { SYSTEMS, type SystemName } from '../domain/systems.ts';
import type {
  ApplyRetentionInput,
  BackUpPlatformInput,
  RunContext,
  VerifyBackupsInput,
} from '../workflows/messages.ts';
import { verifyDefaults } from './commands/verify.ts';
import type { Loaded } from './configuration-file.ts';
import { runContext } from './temporal/platform.ts';

export interface WantedSchedule {
  /** `dr/<platform>/<what>` */
  readonly id: string;
  readonly everyMs: number;
  /** Moves the start within the interval, so that not everything begins at the full hour. */
  readonly offsetMs: number;
  readonly workflow: string;
  /** Beginning of the runs' ids; the time is added to it. */
  readonly workflowId: string;
  readonly input: RunContext;
  readonly system: SystemName | null;
  readonly summary: string;
  /** Digest of all the above: a schedule with another one differs from the configuration. */
  readonly digest: string;
}

/** Every backup kind of the site, verification, the look for absent backups, and retention. */
export function wantedSchedules(loaded: Loaded): WantedSchedule[] {
  const { configuration, site } = loaded;
  const context: RunContext = { ...runContext(loaded), requestedBy: 'schedule', scheduled: true };
  const backups = systemsOf(configuration, site)
    .filter((system) => SYSTEMS[system].intervalSeconds !== null)
    .flatMap((system) =>
      kindsToTake(configuration, site, system).map((kind) => backupSchedule(loaded, context, system, kind)),
    );
  return [...backups, ...careSchedules(loaded, context)].map(withOffsetAndDigest);
}

type Draft = Omit<WantedSchedule, 'digest' | 'offsetMs'>;

function backupSchedule({ configuration }: Loaded, context: RunContext, system: SystemName, kind: string): Draft {
  const input: BackUpPlatformInput = { ...context, systems: [{ system, kinds: [kind] }], applyRetention: false };
  return {
    id: `dr/${context.platform}/${system}/${kind}`,
    everyMs: durationMs(configuration.schedules[system].every),
    workflow: 'backUpPlatform',
    workflowId: `backup/${context.platform}/${system}/${kind}/scheduled`,
    input,
    system,
    summary: `Scheduled backup of ${SYSTEMS[system].title} (${kind})`,
  };
}

function careSchedules(loaded: Loaded, context: RunContext): Draft[] {
  const { schedules } = loaded.configuration;
  const verification = (depth: VerifyBackupsInput['depth']): VerifyBackupsInput => ({
    ...verifyDefaults(loaded),
    ...context,
    depth,
  });
  const retention: ApplyRetentionInput = { ...context, dryRun: false };
  const care = (name: keyof typeof schedules, workflow: string, input: RunContext, summary: string): Draft => ({
    id: `dr/${context.platform}/${name}`,
    everyMs: durationMs(schedules[name].every),
    workflow,
    workflowId: `${name}/${context.platform}/scheduled`,
    input,
    system: null,
    summary,
  });
  return [
    care('verify', 'verifyBackups', verification('proof'), 'Scheduled verification'),
    care('presence', 'verifyBackups', verification('presence'), 'Look for absent backups'),
    care('retention', 'applyRetention', retention, 'Scheduled retention'),
  ];
}

const STAGGER_MS = 90_000;

// A run gives up well before the next one is due.
const SHARE_OF_INTERVAL = 0.8;

function withOffsetAndDigest(unlimited: Draft, index: number): WantedSchedule {
  const limitSeconds = Math.floor((unlimited.everyMs * SHARE_OF_INTERVAL) / 1000);
  const draft: Draft = { ...unlimited, input: { ...unlimited.input, limitSeconds } };
  const offsetMs = (index * STAGGER_MS) % Math.max(Math.floor(draft.everyMs / 2), 1);
  const digest = createHash('sha256')
    .update(canonicalJson({ ...draft, offsetMs }))
    .digest('hex');
  return { ...draft, offsetMs, digest };
}
