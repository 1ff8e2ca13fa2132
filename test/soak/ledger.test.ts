import { describe, expect, it } from 'vitest';
import { Ledger } from './ledger.ts';

function filled(): Ledger {
  const ledger = new Ledger();
  for (const marker of [1, 2, 3, 4]) {
    ledger.markSent(marker, marker * 100);
    ledger.markAcknowledged(marker, marker * 100 + 10);
  }
  return ledger;
}

describe('the ledger of markers', () => {
  it('finds a marker missing that was acknowledged before the backup began', () => {
    expect(filled().judge([2], { from: 250, to: 260 })).toMatchObject({ missing: [1], extra: [], lostByAge: 3 });
  });

  it('allows a marker that was on its way while the backup was taken, in it or not', () => {
    const taking = { from: 305, to: 350 };
    for (const found of [
      [1, 2],
      [1, 2, 3],
    ])
      expect(filled().judge(found, taking)).toMatchObject({ missing: [], extra: [], doubled: [] });
  });

  it('finds a marker that was sent after the backup, or never', () => {
    expect(filled().judge([1, 2, 4, 9], { from: 250, to: 260 }).extra).toEqual([4, 9]);
  });

  it('finds a marker that is there twice, unless the workload itself sent it twice', () => {
    const ledger = filled();
    ledger.markSent(1, 500);
    expect(ledger.judge([1, 1, 2, 2], { from: 250, to: 260 }).doubled).toEqual([2]);
  });

  it('does not expect everything of a backup that was taken during a restore', () => {
    const ledger = filled();
    ledger.markDisturbed({ from: 200, to: 255 });
    expect(ledger.judge([], { from: 250, to: 260 })).toMatchObject({ missing: [], isExact: false });
    expect(ledger.judge([], { from: 256, to: 260 })).toMatchObject({ missing: [1, 2], isExact: true });
  });
});
