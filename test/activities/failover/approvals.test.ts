import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptApproval } from '../../../activities/failover/approvals.ts';
import { type ApprovalStatement, approvalText, statementText } from '../../../domain/approval.ts';

let directory: string;
const keys: Record<string, KeyObject> = {};
const wanted = { platform: 'orders', run: 'r/1', digest: 'a'.repeat(64), epoch: 1, action: 'failover' as const };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-approval-'));
  for (const name of ['anna', 'ben']) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    keys[name] = privateKey;
    await writeFile(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const desk = () => ({
  approvers: ['anna', 'ben'].map((name) => ({ name, publicKey: join(directory, `${name}.pub`) })),
  ...{ witnessDirectory: directory, now: () => new Date('2026-11-24T03:00:00Z') },
});
let number = 0;
function statement(over: Partial<ApprovalStatement> = {}): ApprovalStatement {
  number += 1;
  const nonce = String(number).padStart(32, '0');
  return { format: 1, ...wanted, person: 'anna', expires: '2026-11-24T03:30:00Z', nonce, ...over };
}
function signedBy(key: string, says: ApprovalStatement): string {
  const text = statementText(says);
  return approvalText({
    statement: text,
    signature: sign(null, Buffer.from(text), keys[key] as KeyObject).toString('base64'),
  });
}
const accept = (text: string) => acceptApproval(desk(), text, wanted);
const refused = { code: 'APPROVAL_REFUSED' };

describe('accepting approvals', () => {
  it('names the person and the key', async () => {
    expect(await accept(signedBy('anna', statement()))).toMatchObject({
      person: 'anna',
      keyId: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('accepts the same statement again, so that a lost answer loses no approval', async () => {
    const text = signedBy('ben', statement({ person: 'ben' }));
    expect(await accept(text)).toEqual(await accept(text));
  });

  it('faults 73: refuses a second statement under a number that was used', async () => {
    const says = statement();
    await accept(signedBy('anna', says));
    await expect(accept(signedBy('anna', { ...says, expires: '2026-11-24T03:31:00Z' }))).rejects.toMatchObject(refused);
  });

  it('faults 73: refuses the key of another approver, a stranger, and a text that was changed', async () => {
    await expect(accept(signedBy('ben', statement()))).rejects.toMatchObject(refused);
    await expect(accept(signedBy('anna', statement({ person: 'eve' })))).rejects.toMatchObject(refused);
    const says = statement();
    const { signature } = JSON.parse(Buffer.from(signedBy('anna', says), 'base64url').toString()) as {
      signature: string;
    };
    const changed = approvalText({ statement: statementText({ ...says, person: 'anna', epoch: 2 }), signature });
    await expect(acceptApproval(desk(), changed, { ...wanted, epoch: 2 })).rejects.toMatchObject(refused);
  });
});
