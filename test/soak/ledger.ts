// The workload's own record of its markers, outside of the stores: which were sent and acknowledged, and when. What a
// restored store must hold follows from it and from the moments of the backup, without asking Holdfast.

export interface Interval {
  readonly from: number;
  /** Infinity while it lasts. */
  readonly to: number;
}

/** What is wrong with a restored set of markers, and what was lost by the age of the backup. */
export interface Judgement {
  /** Acknowledged before the backup began, and not in it: data lost. */
  readonly missing: readonly number[];
  /** Sent only after the backup had ended, or never: data made up. */
  readonly extra: readonly number[];
  readonly doubled: readonly number[];
  /** Acknowledged by now and not in the backup, because they came after it. */
  readonly lostByAge: number;
  /** False when the store was emptied or filled by a restore while the backup was taken: then only `extra` is judged. */
  readonly isExact: boolean;
}

/** Times are milliseconds since 1970 by one clock: the stores and the workload stand on one machine. */
export class Ledger {
  private readonly sent = new Map<number, number>();
  private readonly acknowledged = new Map<number, number>();
  private readonly retried = new Set<number>();
  private readonly disturbances: Interval[] = [];

  get size(): number {
    return this.acknowledged.size;
  }

  /** Sending it once more, after an answer that never came, may write it twice where the store cannot know better. */
  markSent(marker: number, at: number): void {
    if (this.sent.has(marker)) this.retried.add(marker);
    else this.sent.set(marker, at);
  }

  markAcknowledged(marker: number, at: number): void {
    this.acknowledged.set(marker, at);
  }

  /** A restore of this store, from its loss until everything was written again. */
  markDisturbed(interval: Interval): void {
    this.disturbances.push(interval);
  }

  /** Acknowledged markers that are not in `found`, in order: what the workload writes again after a restore. */
  absentFrom(found: ReadonlySet<number>): readonly number[] {
    return [...this.acknowledged.keys()].filter((marker) => !found.has(marker)).sort((a, b) => a - b);
  }

  /** Judges what a backup that was taken within `taking` gave back. */
  judge(found: readonly number[], taking: Interval): Judgement {
    const set = new Set(found);
    const isExact = !this.disturbances.some(({ from, to }) => from <= taking.to && to >= taking.from);
    const expected = [...this.acknowledged].filter(([, at]) => at < taking.from).map(([marker]) => marker);
    return {
      missing: isExact ? expected.filter((marker) => !set.has(marker)) : [],
      extra: [...set].filter((marker) => (this.sent.get(marker) ?? Number.POSITIVE_INFINITY) > taking.to),
      doubled: this.doubledIn(found),
      lostByAge: this.absentFrom(set).length,
      isExact,
    };
  }

  private doubledIn(found: readonly number[]): readonly number[] {
    const seen = new Set<number>();
    const again = found.filter((marker) => seen.size === seen.add(marker).size);
    return again.filter((marker) => !this.retried.has(marker));
  }
}
