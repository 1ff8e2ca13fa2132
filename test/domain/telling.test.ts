import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeFailure, FAILURES, Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { formatBytes, formatSeconds } from '../../domain/quantities.ts';
import type { RunState } from '../../domain/run-state.ts';
import { renderRunState } from '../../domain/step-table.ts';
import { wireFailureOf } from '../../domain/wire-failure.ts';

describe('describeFailure', () => {
  it('tells three lines: what happened, what it means, what to do', () => {
    const { code, message, details } = new Failure('NO_SPACE', "no space left while writing '/b/x'", {
      path: '/b',
      needBytes: 7,
    });
    expect(describeFailure(code, message, details)).toBe(
      "no space left while writing '/b/x'\nMEANS: the disk is full; partial files were removed and earlier backups are intact\nDO: free 7 bytes at /b, then retry the step",
    );
  });

  it.each(Object.entries(FAILURES))(
    '%s has texts that are neither empty nor end in a full stop',
    (_, { means, action }) => {
      for (const text of [means, action]) expect(text).toMatch(/[^.\s]$/);
    },
  );
});

describe('canonicalJson', () => {
  it('does not depend on the order of keys, and parses back to the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('refuses numbers that JSON cannot hold', () => {
    expect(() => canonicalJson({ a: Number.NaN })).toThrow(TypeError);
  });
});

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [314_572_800, '300 MiB'],
  ])('tells %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.25, '0.3 s'],
    [59.7, '1 min'],
    [75, '1 min 15 s'],
    [3599.9, '1 h'],
    [90_000, '1 d 1 h'],
  ])('tells %d seconds as %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text));
});

describe('wireFailureOf', () => {
  it('finds our failure below the layers of Temporal', () => {
    const ours = { message: 'full\nMEANS: …', type: 'NO_SPACE', details: [{ path: '/b' }] };
    const wrapped = { message: 'Workflow failed', cause: { message: 'Activity failed', cause: ours } };
    expect(wireFailureOf(wrapped)).toEqual({ code: 'NO_SPACE', message: 'full\nMEANS: …', details: { path: '/b' } });
  });

  it('tells a silent worker apart from a failed step', () => {
    const silent = { message: 'Activity failed', cause: { message: 'timed out', timeoutType: 'HEARTBEAT' } };
    expect(wireFailureOf(silent)).toMatchObject({ code: 'NO_WORKER', message: expect.stringContaining('went silent') });
  });

  it('does not take a stranger for one of ours', () => {
    expect(wireFailureOf({ message: 'x', type: 'SomethingElse' }).code).toBe('BUG');
  });
});

describe('renderRunState', () => {
  const state: RunState = {
    title: 'Restore of PostgreSQL of orders',
    phase: 'restoring',
    plan: null,
    measured: [],
    outcome: null,
    questions: [
      {
        step: 'replace',
        code: 'NO_SPACE',
        message: 'the disk is full\nMEANS: x\nDO: y',
        actions: ['retry', 'abort'],
        safeToLeave: 'the old data is untouched',
      },
    ],
    steps: [
      {
        id: 'replace',
        title: 'Replace `a|b`\n<script>',
        status: 'waiting',
        detail: 'full',
        startedAt: null,
        endedAt: null,
      },
    ],
  };

  it('shows what the run measured of itself', () => {
    const text = renderRunState(
      { ...state, measured: ['recovery time 53 s: ours 14 s', 'lost: `a|b`'] },
      'failover/orders',
    );
    expect(text).toContain('### Measured\n\n- recovery time 53 s: ours 14 s\n- lost: \\`a\\|b\\`\n');
  });

  it('shows the question with the next command, and keeps hostile names inside their cell', () => {
    expect(renderRunState(state, 'restore/orders/postgres')).toBe(
      [
        '## Restore of PostgreSQL of orders',
        '',
        '**restoring**',
        '',
        '### A person is needed: replace',
        '',
        '> the disk is full  ',
        '> MEANS: x  ',
        '> DO: y  ',
        '',
        '- Here: Update **resolveStep** `{"step":"replace","action":"retry|abort","reason":"…"}`',
        '- Terminal: `dr runs retry|abort restore/orders/postgres replace --reason "…"`',
        '- Until morning: the old data is untouched',
        '',
        '| step | state | detail |',
        '| --- | --- | --- |',
        '| Replace \\`a\\|b\\` ⏎ \\<script\\> | ✋ waits for you | full |',
      ].join('\n'),
    );
  });
});
