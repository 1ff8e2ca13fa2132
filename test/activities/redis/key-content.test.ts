import { expect, it } from 'vitest';
import { expiringItems, itemsOf } from '../../../activities/redis/key-content.ts';

const bytes = (...words: string[]) => words.map((word) => Buffer.from(word));

it('scores are the same items however a release of Redis writes the number', () => {
  const [older, newer] = ['0.10000000000000001', '0.1'].map((score) => itemsOf('zset', bytes('member', score)));
  expect(older).toEqual(newer);
  expect(itemsOf('zset', bytes('low', '-inf', 'high', 'inf'))).toEqual([bytes('low', '-inf'), bytes('high', 'inf')]);
});

it('a field of a hash that expired between two readings is left out, and one without an expiry stays as it was', () => {
  const items = itemsOf('hash', bytes('stays', '1', 'expires', '2', 'gone', '3'));
  expect(expiringItems(items, [-1, 1_795_537_699_965, -2])).toEqual([
    bytes('stays', '1'),
    bytes('expires', '2', '1795537699965'),
  ]);
});
