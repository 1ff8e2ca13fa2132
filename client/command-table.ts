// Every command with its one line and where its code is. A command's module is loaded only when it is called.
import type { CommandModule } from './command.ts';

export interface TableEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly spec: CommandModule }>;
}

const entry = (name: string, summary: string, load: TableEntry['load']): TableEntry => ({ name, summary, load });

export const COMMANDS: readonly TableEntry[] = [
  entry('init', 'describe a platform: write holdfast.yaml, keys and secret files', () => import('./commands/init.ts')),
  entry('doctor', 'check this machine, the stores, the tiers and the keys', () => import('./commands/doctor.ts')),
  entry('status', 'how the platform is now, and every objective measured', () => import('./commands/status.ts')),
  entry('config', 'check, show or describe the configuration', () => import('./commands/config.ts')),
  entry('worker', 'run a worker', () => import('./commands/worker.ts')),
  entry(
    'witness',
    'look at the platform from outside, tell people of an outage, and plan',
    () => import('./commands/witness.ts'),
  ),
  entry(
    'agent',
    "start a site's services only while it is the active one, and stop them",
    () => import('./commands/agent.ts'),
  ),
  entry('backup', 'take backups', () => import('./commands/backup.ts')),
  entry('backups', 'list, show, compare, hold and release backups', () => import('./commands/backups.ts')),
  entry('retention', 'show or apply what may be deleted', () => import('./commands/retention.ts')),
  entry('verify', 'prove that backups are there, whole and restorable', () => import('./commands/verify.ts')),
  entry('restore', 'restore one system, or one part of it', () => import('./commands/restore.ts')),
  entry('recover', 'restore the whole platform from one recovery set', () => import('./commands/recover.ts')),
  entry(
    'failover',
    'let another site take over, from a dead one or from one that lives',
    () => import('./commands/failover.ts'),
  ),
  entry(
    'failback',
    'return to a site that was the active one before, losing nothing',
    () => import('./commands/failback.ts'),
  ),
  entry('approve', "sign a failover's plan", () => import('./commands/approve.ts')),
  entry('schedule', 'apply and steer the schedules', () => import('./commands/schedule.ts')),
  entry('runs', 'list, watch and steer runs', () => import('./commands/runs.ts')),
  entry('audit', 'read and check the audit log', () => import('./commands/audit.ts')),
  entry('reference', 'print the quick reference of this platform', () => import('./commands/reference.ts')),
  entry('runbook', 'print how to restore without Holdfast', () => import('./commands/runbook.ts')),
  entry(
    'rebuild',
    'bring Holdfast itself back from a repository and the offline key',
    () => import('./commands/rebuild.ts'),
  ),
  entry('keys', 'show, make and rotate the keys that open the backups', () => import('./commands/keys.ts')),
];
