import { describe, expect, it } from 'vitest';
import type { RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { QueueRecord } from '../../../domain/systems/rabbitmq-inventory.ts';
import { hasLimits, limitsOf, withoutLimits } from '../../../domain/systems/rabbitmq-limits.ts';
import { limitWarnings, planFill } from '../../../domain/systems/rabbitmq-restore.ts';

const queue = (args: QueueRecord['arguments'], over: Partial<QueueRecord> = {}): QueueRecord => ({
  ...{ vhost: '/', name: 'q', type: 'classic', durable: true, exclusive: false, autoDelete: false, arguments: args },
  ...{ ready: 0, unacknowledged: 0, persistent: 0 },
  captured: { artifacts: [], messages: 15, bytes: 150, ordered: '', unordered: '' },
  ...over,
});

const warningsOf = (record: QueueRecord, options: RestoreRequest['options'] = {}) => {
  const request = { options } as RestoreRequest;
  return limitWarnings([record], planFill([record], new Map(), request), request);
};

describe('limits of a queue', () => {
  it('are the stricter of argument and policy', () => {
    const limits = limitsOf({
      arguments: { 'x-max-length': 9 },
      effectivePolicy: { 'max-length': 5, 'message-ttl': 7 },
    });
    expect(limits).toMatchObject({ messages: 5, lifeMs: 7, bytes: null, expiresMs: null, refusesWhenFull: false });
  });

  it('can be taken off a definition, and nothing else with them', () => {
    const limited = { name: 'q', arguments: { 'x-message-ttl': 1, 'x-max-priority': 3 } };
    expect(hasLimits(limited)).toBe(true);
    expect(withoutLimits(limited)).toEqual({ name: 'q', arguments: { 'x-max-priority': 3 } });
    expect(hasLimits(withoutLimits(limited))).toBe(false);
  });

  it('are told before the queue is filled, also how many would not fit, and hold for no copy beside it', () => {
    expect(warningsOf(queue({}))).toEqual([]);
    expect(warningsOf(queue({ 'x-message-ttl': 1000 }))).toEqual([
      'queue "q" of "/" lets messages go by itself again: a message lives 1000 ms',
    ]);
    expect(warningsOf(queue({ 'x-max-length': 10 }))).toEqual([
      'queue "q" of "/" drops the oldest of 15 messages: 10 messages at most; restore it beside to keep all',
    ]);
    expect(warningsOf(queue({ 'x-max-length-bytes': 9, 'x-overflow': 'reject-publish' }))).toEqual([
      'queue "q" of "/" refuses the newest of 15 messages: 9 bytes at most; restore it beside to keep all',
    ]);
    expect(warningsOf(queue({ 'x-max-length': 10 }), { into: 'copy' })).toEqual([]);
  });
});
