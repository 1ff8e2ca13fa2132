import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AuditRecord,
  actKey,
  compareHead,
  EMPTY_HEAD,
  followChain,
  formatHead,
  formatRecord,
  parseHead,
  parseRecord,
} from '../../domain/audit.ts';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** The texts of a whole chain, one record for each subject. */
function chainOf(subjects: readonly string[]): string[] {
  const texts: string[] = [];
  for (const [index, subject] of subjects.entries()) {
    const previous = texts.at(-1);
    const record: AuditRecord = {
      ...{ format: 1, platform: 'shop', sequence: index + 1, previous: previous === undefined ? null : hash(previous) },
      ...{ act: 'a', subject, person: 'p', run: `r${index}`, reason: '', facts: {}, at: '2026-11-23T06:00:00.000Z' },
    };
    texts.push(formatRecord(record));
  }
  return texts;
}

/** Number of the first bad record, 0 when the chain and its head agree. */
function firstBad(texts: readonly string[], head = EMPTY_HEAD): number {
  let state = { head: EMPTY_HEAD, platform: 'shop' };
  for (const [index, text] of texts.entries()) {
    const step = followChain(state, { sequence: index + 1, text }, hash);
    if ('broken' in step) return Number(/record (\d+)/.exec(step.broken)?.[1]);
    state = step.state;
  }
  const told = compareHead(state.head, head, (sequence) => hash(texts[sequence - 1] ?? ''));
  return told === null ? 0 : Number(/record (\d+)/.exec(told)?.[1]);
}

const headOf = (texts: readonly string[]) => ({ sequence: texts.length, hash: hash(texts.at(-1) ?? '') });
const subjects = fc.array(fc.string(), { minLength: 2, maxLength: 8 });

describe('the audit chain', () => {
  it('is whole as it was written', () => {
    fc.assert(
      fc.property(subjects, (names) => {
        const texts = chainOf(names);
        expect(firstBad(texts, headOf(texts))).toBe(0);
      }),
    );
  });

  it('faults 74: names the record in which any character was changed', () => {
    fc.assert(
      fc.property(subjects, fc.nat(), fc.nat(), fc.nat(255), (names, which, where, value) => {
        const texts = chainOf(names);
        const head = headOf(texts);
        const index = which % texts.length;
        const text = texts[index] ?? '';
        const place = where % text.length;
        const changed = text.slice(0, place) + String.fromCharCode(value) + text.slice(place + 1);
        if (changed === text) return;
        const bad = firstBad(texts.with(index, changed), head);
        // A changed link to the record before cannot be told from a change of that record.
        expect([index, index + 1]).toContain(bad);
      }),
      { numRuns: 1000 },
    );
  });

  it('faults 74: names the first record of a swap and of a cut', () => {
    fc.assert(
      fc.property(subjects, fc.nat(), fc.nat(), (names, one, other) => {
        const texts = chainOf(names);
        const [a, b] = [one % texts.length, other % texts.length].sort((x, y) => x - y) as [number, number];
        if (a !== b) {
          const swapped = texts.with(a, texts[b] ?? '').with(b, texts[a] ?? '');
          expect(firstBad(swapped, headOf(texts))).toBe(a + 1);
        }
        expect(firstBad(texts.slice(0, a), headOf(texts))).toBe(a + 1);
      }),
    );
  });
});

describe('parseRecord', () => {
  it.each(['', '{', 'null', '[]', '{}', '7', '"text"'])('refuses %j', (text) => expect(parseRecord(text)).toBeNull());
});

describe('a written head', () => {
  it('comes back as it was', () => {
    const head = { sequence: 7, hash: 'a'.repeat(64) };
    expect(parseHead(formatHead(head))).toEqual(head);
    expect(parseHead(formatHead(EMPTY_HEAD))).toEqual(EMPTY_HEAD);
    expect(parseHead('7:xyz')).toBeNull();
  });
});

describe('actKey', () => {
  it('is the same for the same act only, whatever the letters', () => {
    const act = fc.record({ run: fc.string(), act: fc.string(), subject: fc.string() });
    fc.assert(
      fc.property(act, act, (a, b) => {
        const isSame = a.run === b.run && a.act === b.act && a.subject === b.subject;
        expect(actKey(a) === actKey(b)).toBe(isSame);
      }),
    );
  });
});
