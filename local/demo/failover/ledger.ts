// What the ledger at the witness says of the last failover, and what its owner allows.
import { createLedger } from '../../../activities/ledger/index.ts';
import { OutageLedger } from '../../../activities/ledger/outages.ts';
import { type Objectives, objectivesOf } from '../../../client/output/account.ts';
import { configurationSchema } from '../../../domain/configuration/schema.ts';
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import type { TwoSites } from './stage.ts';

/** @throws {Error} when no failover wrote one. */
export async function newestRecord({ platform: { name, configuration } }: TwoSites): Promise<FailoverRecord> {
  const { directory } = configuration.witness;
  const record = await createLedger({ platform: name, witnessDirectory: directory }).newestFailover();
  if (record === null) throw new Error('the failover wrote no account');
  return record;
}

/** Whether `dr witness` has told people of the outage that lasts, and what a failover would do. */
export async function isAlarmed({ platform: { name, configuration } }: TwoSites): Promise<boolean> {
  const newest = await new OutageLedger(name, configuration.witness.directory).newest();
  return newest !== null && newest.outage.until === null && newest.told.has('plan');
}

export const objectivesOfStage = ({ platform }: TwoSites): Objectives =>
  objectivesOf(configurationSchema.parse(platform.configuration));
