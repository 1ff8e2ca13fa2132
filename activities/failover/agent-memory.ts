// What an agent keeps: at the site the highest epoch that it ever read, so that an old copy of the records starts nothing;
// at the witness what it did last.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentReport, agentReportName, formatAgentReport } from '../../domain/agent-report.ts';
import { Failure } from '../../domain/failures.ts';
import { makePrivateFolder, readRecord, replaceFile, unless } from '../shared/durable-files.ts';

const KNOWN = 'agent-epoch';

/**
 * Does: reads the highest epoch that an agent of this site read before; 0 at the first start.
 * Repeat: reads again. Undo: none needed, nothing is written.
 * @throws {Failure} EPOCH_BROKEN.
 */
export async function readKnownEpoch(workDirectory: string): Promise<number> {
  const text = await unless(['ENOENT'], () => readRecord(join(workDirectory, KNOWN)));
  if (text === undefined) return 0;
  if (!/^\d{1,6}\n$/.test(text)) throw new Failure('EPOCH_BROKEN', `'${join(workDirectory, KNOWN)}' holds no number`);
  return Number(text);
}

/** Does: keeps it. Repeat: replaces it by itself. Undo: none: what was read was read. */
export async function keepKnownEpoch(workDirectory: string, number: number): Promise<void> {
  await makePrivateFolder(workDirectory);
  await replaceFile(workDirectory, KNOWN, `${number}\n`);
}

/**
 * Does: says at the witness what the agent does, where its epochs were read a moment ago.
 * Repeat: replaces it. Undo: none: the next report takes its place.
 */
export async function report(witnessDirectory: string, what: AgentReport): Promise<void> {
  const folder = join(witnessDirectory, 'agents');
  // Only this one is made: the witness's own may be a mount that went away a moment ago.
  await unless(['EEXIST'], () => mkdir(folder, { mode: 0o700 }));
  await replaceFile(folder, agentReportName(what.site), formatAgentReport(what));
}
