import { expect, test } from 'vitest';
import type { Look } from '../../../domain/contracts/status.ts';
import type { StatusLine, SystemStatus } from '../../../domain/contracts/system-status.ts';
import { standbyLines } from '../../../domain/status/standby.ts';

const seen = (...lines: StatusLine[]): Look<SystemStatus> => ({ seen: { lines, facts: {}, changedAt: null } });
const line = (level: StatusLine['level']): StatusLine => ({ level, subject: 'disk', message: 'is full', code: null });
const unseen = (code: string, silent: boolean): Look<SystemStatus> => ({
  unseen: { code, message: 'connection refused\nMEANS: nothing', silent },
});
const told = (redis: Look<SystemStatus>, provisions = false) => standbyLines({ stores: { redis }, provisions })[0];

test('a store that stands is well, and what ails it is no more than a warning', () => {
  expect(told(seen(line('ok')))).toMatchObject({ level: 'ok', message: 'stands and answers' });
  expect(told(seen(line('ok'), line('failed')))).toMatchObject({ level: 'warning', message: 'disk: is full' });
  expect(told(seen(line('unknown'), line('warning')))).toMatchObject({ level: 'unknown' });
});

test('a store that refuses is a warning, unless Terraform makes it', () => {
  expect(told(unseen('STORE_UNREACHABLE', false))).toMatchObject({
    level: 'warning',
    message: 'does not stand: connection refused; a failover needs it first',
  });
  expect(told(unseen('STORE_UNREACHABLE', false), true)).toMatchObject({ level: 'ok', code: null });
});

test('a store that is silent, or could not be asked, is unknown', () => {
  expect(told(unseen('STORE_UNREACHABLE', true), true)).toMatchObject({ level: 'unknown' });
  expect(told(unseen('ACCESS_DENIED', false))).toMatchObject({ level: 'unknown' });
});

test('a store of which nothing is known is not well', () => {
  expect(told(seen())).toMatchObject({ level: 'unknown' });
});
