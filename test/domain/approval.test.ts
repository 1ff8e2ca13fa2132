import { describe, expect, it } from 'vitest';
import {
  type ApprovalStatement,
  approvalText,
  parseApproval,
  requireFitting,
  statementText,
} from '../../domain/approval.ts';

const NOW = Date.parse('2026-11-24T03:00:00Z');
const says: ApprovalStatement = {
  ...{ format: 1, platform: 'orders', run: 'failover/orders/r1', digest: 'a'.repeat(64), epoch: 4, action: 'failover' },
  ...{ person: 'anna', expires: '2026-11-24T04:00:00.000Z', nonce: 'b'.repeat(32) },
};
const wanted = { platform: 'orders', run: says.run, digest: says.digest, epoch: 4, action: 'failover' as const };
const signature = Buffer.alloc(64).toString('base64');
const refusal = expect.objectContaining({ code: 'APPROVAL_REFUSED' });

describe('approvals', () => {
  it('come back from their one line as they were', () => {
    const text = approvalText({ statement: statementText(says), signature });
    expect(text).toMatch(/^[\w-]+$/);
    expect(parseApproval(`${text}\n`)).toEqual({ statement: statementText(says), signature, says });
  });

  it('fit the plan, the run and the epoch that they name', () => {
    expect(() => requireFitting(says, wanted, NOW)).not.toThrow();
  });

  it.each([
    ['another plan', { digest: 'c'.repeat(64) }],
    ['another run', { run: 'failover/orders/r2' }],
    ['another epoch', { epoch: 5 }],
    ['another platform', { platform: 'shop' }],
  ])('faults 73: are refused for %s', (_what, change) => {
    expect(() => requireFitting(says, { ...wanted, ...change }, NOW)).toThrow(refusal);
  });

  it.each([
    ['its last moment', says.expires],
    ['a clock that was turned back by days', '2026-11-22T03:00:00Z'],
  ])('faults 73: are refused at %s', (_what, at) => {
    expect(() => requireFitting(says, wanted, Date.parse(at))).toThrow(refusal);
  });

  it.each([
    ['no text', ''],
    ['another format', approvalText({ statement: statementText({ ...says, format: 2 as 1 }), signature })],
    [
      'another action',
      approvalText({ statement: statementText({ ...says, action: 'drill' as 'failover' }), signature }),
    ],
    ['a short number', approvalText({ statement: statementText({ ...says, nonce: 'b' }), signature })],
    ['a short signature', approvalText({ statement: statementText(says), signature: 'AAAA' })],
    ['a statement that is no JSON', approvalText({ statement: '{', signature })],
  ])('are refused with %s', (_what, text) => {
    expect(() => parseApproval(text)).toThrow(refusal);
  });
});
