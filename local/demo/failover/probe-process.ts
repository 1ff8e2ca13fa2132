// The outside probe: a small transaction through the public name, twice a second. When it fails twice in a row, the time
// of the first failure is written to the ledger at the witness; so is the first answer after that.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { publishRecord } from '../../../activities/shared/durable-files.ts';
import { formatOutage, type OutageRecord, outageName } from '../../../domain/outage.ts';
import type { PostgresAccess } from '../../dataset/postgres-data.ts';
import { askedToEnd, given, tellReady } from './child.ts';
import { type PublicName, resolverOf } from './public-name.ts';

export interface ProbeInput {
  readonly platform: string;
  readonly publicName: PublicName;
  readonly postgres: PostgresAccess;
  readonly witnessDirectory: string;
}

const EVERY_MS = 500;
const WITHIN_MS = 2000;

if (import.meta.main) {
  const input = await given<ProbeInput>();
  tellReady();
  void probe(input);
  await askedToEnd();
  process.exit();
}

async function probe({ platform, publicName, postgres, witnessDirectory }: ProbeInput): Promise<void> {
  const by = `the probe of ${publicName.name}`;
  const tell = (what: OutageRecord['what'], at: string) => {
    const record: OutageRecord = { format: 1, platform, what, at, by };
    return publishRecord(join(witnessDirectory, 'ledger', 'outages'), outageName(record), formatOutage(record));
  };
  const addressNow = resolverOf(publicName);
  let [firstFailure, isTold]: [string | null, boolean] = [null, false];
  for (; ; await wait(EVERY_MS)) {
    const at = new Date().toISOString();
    const isWell = await answers({ ...postgres, host: await addressNow().catch(() => '') });
    if (!isWell && firstFailure !== null && !isTold) isTold = await tell('down', firstFailure);
    if (isWell && isTold) await tell('up', at);
    if (isWell) [firstFailure, isTold] = [null, false];
    else firstFailure ??= at;
  }
}

async function answers(access: PostgresAccess): Promise<boolean> {
  if (access.host === '') return false;
  const client = new Client({
    ...access,
    database: 'postgres',
    connectionTimeoutMillis: WITHIN_MS,
    query_timeout: WITHIN_MS,
  });
  client.on('error', () => undefined); // The query tells.
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    void client.end().catch(() => undefined); // It may be gone already.
  }
}
