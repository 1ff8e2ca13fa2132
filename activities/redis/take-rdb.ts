// The kind `rdb`: the whole content at one moment, over the wire, checked while it streams.
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { OpenBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { Artifact } from '../../domain/manifest.ts';
import { type RdbSummary, RdbWalker } from '../../domain/systems/redis-rdb.ts';
import { progressOf } from '../shared/activity-context.ts';
import { addressOf, type RedisConfiguration, timeOf, withStore } from './client.ts';
import { rdbFailure } from './rdb-failure.ts';
import { openRdbStream, type RdbStream } from './sync-stream.ts';
import { checkRdbStream, type RdbVerdict } from './tools.ts';

/** What a kind's taking hands to the manifest. */
export interface Taken {
  readonly momentMs: number;
  readonly artifacts: readonly Artifact[];
  readonly counts: Readonly<Record<string, number>>;
  readonly source: Readonly<Record<string, JsonValue>>;
  readonly report: Readonly<Record<string, JsonValue>>;
  readonly warnings: readonly string[];
  readonly inventory: JsonValue;
}

/** Streams the RDB into the backup. @throws {Failure} TOOL_FAILED when the check finds fault: nothing counts then. */
export async function takeRdb(
  configuration: RedisConfiguration,
  backup: OpenBackup,
  folder: string,
  estimatedBytes: number,
): Promise<Taken> {
  const requestedMs = await withStore(configuration, timeOf);
  const stream = await openRdbStream(configuration);
  try {
    const walker = new RdbWalker({ nowMs: requestedMs });
    const { artifact, verdict } = await storeChecked(configuration, stream, walker, {
      backup,
      pipePath: join(folder, 'rdb-to-check'),
      totalBytes: stream.length ?? estimatedBytes,
    });
    const summary = walker.finish();
    requireAgreement(configuration, summary, verdict);
    return describe(stream, summary, artifact, requestedMs);
  } catch (error) {
    throw rdbFailure(error, 'TOOL_FAILED');
  } finally {
    stream.close();
  }
}

interface Destination {
  readonly backup: OpenBackup;
  readonly pipePath: string;
  readonly totalBytes: number;
}

async function storeChecked(
  configuration: RedisConfiguration,
  stream: RdbStream,
  walker: RdbWalker,
  { backup, pipePath, totalBytes }: Destination,
): Promise<{ artifact: Artifact; verdict: RdbVerdict }> {
  const toCheck = new PassThrough();
  toCheck.on('error', () => undefined); // Whoever reads or writes it throws; the event alone must not end the worker.
  const checked = checkRdbStream(configuration, pipePath, toCheck).catch((error) => {
    toCheck.destroy();
    throw asTaking(error);
  });
  const count = progressOf('Redis snapshot', totalBytes);
  const stored = backup.addArtifact(
    { name: 'dump.rdb', role: 'rdb' },
    watched(stream.bytes, toCheck, (piece) => {
      walker.push(piece);
      count(piece.length);
    }),
  );
  const [artifact, verdict] = await Promise.allSettled([stored, checked]);
  if (artifact.status === 'rejected') throw artifact.reason;
  if (verdict.status === 'rejected') throw verdict.reason;
  return { artifact: artifact.value, verdict: verdict.value };
}

async function* watched(
  source: AsyncIterable<Uint8Array>,
  copy: PassThrough,
  look: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let isWhole = false;
  try {
    for await (const piece of source) {
      look(piece);
      if (!copy.destroyed && !copy.write(piece)) await drained(copy);
      yield piece;
    }
    isWhole = true;
  } finally {
    if (isWhole) copy.end();
    else copy.destroy();
  }
}

// Resolves also when the reader has given up: then nobody waits for the rest.
async function drained(copy: PassThrough): Promise<void> {
  const stop = new AbortController();
  const options = { signal: stop.signal };
  try {
    await Promise.race([once(copy, 'drain', options), once(copy, 'close', options)]);
  } finally {
    stop.abort();
  }
}

// At taking, damage is a transfer that went wrong: the next attempt may do better.
function asTaking(error: unknown): unknown {
  if (!(error instanceof Failure) || error.code !== 'ARTIFACT_DAMAGED') return error;
  return new Failure('TOOL_FAILED', `the snapshot failed its check: ${error.message}`, {}, error);
}

function requireAgreement(configuration: RedisConfiguration, summary: RdbSummary, verdict: RdbVerdict): void {
  if (summary.keys === verdict.keys && summary.expires === verdict.expires) return;
  const what = `redis-check-rdb counts ${verdict.keys} keys, the walk through the same bytes ${summary.keys}`;
  throw new Failure('TOOL_FAILED', `the snapshot of '${addressOf(configuration)}' cannot be trusted: ${what}`);
}

function describe(stream: RdbStream, summary: RdbSummary, artifact: Artifact, requestedMs: number): Taken {
  const created = Number(summary.aux.ctime ?? Number.NaN) * 1000;
  const auxOffset = summary.aux['repl-offset'];
  return {
    // The server stamps whole seconds, rounded down: the claim is never later than the content.
    momentMs: Number.isFinite(created) ? created : requestedMs,
    artifacts: [artifact],
    counts: {
      keys: summary.keys,
      keysWithExpiry: summary.expires,
      alreadyExpired: summary.expired,
      databases: Object.keys(summary.databases).length,
      functionLibraries: summary.functionLibraries,
    },
    source: {
      replicationId: stream.replicationId,
      offset: stream.offset,
      rdbVersion: summary.version,
      moduleTypes: summary.moduleTypes,
    },
    report: {
      requestedAt: new Date(requestedMs).toISOString(),
      offset: stream.offset,
      offsetInFile: auxOffset === undefined ? null : Number(auxOffset),
      hasChecksum: summary.hasChecksum,
    },
    warnings: summary.hasChecksum ? [] : ['the server writes RDB files without a checksum (rdbchecksum no)'],
    inventory: { databases: summary.databases as unknown as JsonValue, aux: summary.aux, version: summary.version },
  };
}
