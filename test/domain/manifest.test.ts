import { describe, expect, it } from 'vitest';
import { backupIdFor, isSafeName } from '../../domain/manifest.ts';

describe('backupIdFor', () => {
  it('gives the same run the same id', () => {
    const id = () => backupIdFor('2026-11-23T05:49:00.123Z', 'physical', '0b1f9d6e-1111-4222-8333-0123456789ab');
    expect(id()).toBe('20261123t054900z-physical-6789ab');
    expect(id()).toBe(id());
  });

  it('sorts by the moment the run started', () => {
    const earlier = backupIdFor('2026-11-23T05:49:00.000Z', 'rdb', 'ffffff');
    const later = backupIdFor('2026-11-23T05:49:01.000Z', 'aof', '000000');
    expect([later, earlier].sort()).toEqual([earlier, later]);
  });
});

describe('isSafeName', () => {
  it.each(['a', 'database-0001.dump', 'key.1'])('accepts %j', (name) => expect(isSafeName(name)).toBe(true));
  it.each(['', '.', '..', '../x', 'a/b', '/a', 'a..b', '-rf', 'A', 'a b', 'a\n', 'ä', '$(x)', 'x'.repeat(201)])(
    'refuses %j',
    (name) => expect(isSafeName(name)).toBe(false),
  );
});
