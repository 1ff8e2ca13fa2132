// Checking what people signed. Each statement counts once: its number is written down, create-only, for the run it is for.
import { verify } from 'node:crypto';
import { join } from 'node:path';
import { type ApprovalWanted, type GivenApproval, parseApproval, requireFitting } from '../../domain/approval.ts';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { publishRecord, readRecord } from '../shared/durable-files.ts';
import { keyIdOf, readPublicKey } from '../shared/public-keys.ts';

export type Approvers = Configuration['failover']['approvers'];

export interface ApprovalDeskOptions {
  readonly approvers: Approvers;
  readonly witnessDirectory: string;
  readonly now: () => Date;
}

/**
 * Does: checks signature, subject and expiry of one statement and uses it up.
 * Repeat: the same statement for the same run is accepted again, so that a lost answer loses no approval.
 * Undo: none: what somebody approved stays written down.
 */
export async function acceptApproval(
  { approvers, witnessDirectory, now }: ApprovalDeskOptions,
  text: string,
  wanted: ApprovalWanted,
): Promise<GivenApproval> {
  const { says, statement, signature } = parseApproval(text);
  const approver = approvers.find(({ name }) => name === says.person);
  if (approver === undefined) throw refused(`'${says.person}' is not among failover.approvers`);
  const key = await readPublicKey(approver.publicKey);
  if (!verify(null, Buffer.from(statement), key, Buffer.from(signature, 'base64')))
    throw refused(`the approval of '${says.person}' is not signed by the key that is listed for that name`);
  requireFitting(says, wanted, now().getTime());
  await useUp(join(witnessDirectory, 'approvals'), says.nonce, text.trim());
  return { person: says.person, keyId: keyIdOf(key), nonce: says.nonce };
}

// The statement names its run, so one that lies here already is a repeat when it is the same to the byte.
async function useUp(folder: string, nonce: string, text: string): Promise<void> {
  if (await publishRecord(folder, nonce, text)) return;
  if ((await readRecord(join(folder, nonce))) === text) return;
  throw refused('another approval of the same number was used already');
}

const refused = (what: string) => new Failure('APPROVAL_REFUSED', what);
