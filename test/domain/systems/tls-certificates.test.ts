import { describe, expect, it } from 'vitest';
import { type CertificateFacts, judgeCertificate } from '../../../domain/systems/tls-certificates.ts';

const DAY = 86_400_000;
const WARN_BEFORE = 30 * DAY;
const at = (text: string) => new Date(`${text}T00:00:00.000Z`);

const good: CertificateFacts = {
  name: 'web',
  subject: 'CN=web',
  issuer: 'CN=authority',
  fingerprint: 'ab',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  key: 'matches',
  chain: 'verified',
  chainNotAfter: '2030-01-01T00:00:00.000Z',
  uncovered: [],
};

const judge = (changes: Partial<CertificateFacts> = {}, now = at('2026-06-01')) =>
  judgeCertificate({ ...good, ...changes }, now, WARN_BEFORE).map(({ level, message, code }) => [level, message, code]);

describe('judgeCertificate', () => {
  it('finds a good one good, and says when no chain was there to check', () => {
    const until = 'valid until 2027-01-01T00:00:00.000Z';
    expect(judge()).toEqual([['ok', `matches its key, its chain verifies, ${until}`, null]]);
    expect(judge({ chain: 'not given', chainNotAfter: null })).toEqual([
      ['ok', `matches its key, no chain was given to check, ${until}`, null],
    ]);
  });

  it.each<[string, Partial<CertificateFacts>, Date, string, string]>([
    ['a foreign key', { key: 'differs' }, at('2026-06-01'), 'does not match its key', 'CERTIFICATE_UNFIT'],
    ['a broken chain', { chain: { broken: 'x' } }, at('2026-06-01'), 'has a broken chain: x', 'CERTIFICATE_UNFIT'],
    ['a missing name', { uncovered: ['a', 'b'] }, at('2026-06-01'), "is not good for 'a', 'b'", 'CERTIFICATE_UNFIT'],
    ['the time before', {}, at('2025-12-31'), `is not valid before ${good.notBefore}`, 'CERTIFICATE_UNFIT'],
    ['the time after', {}, at('2027-01-02'), `expired at ${good.notAfter}`, 'CERTIFICATE_UNFIT'],
    [
      'a chain that ended first',
      { chainNotAfter: '2026-05-01T00:00:00.000Z' },
      at('2026-06-01'),
      'has a chain that expired at 2026-05-01T00:00:00.000Z',
      'CERTIFICATE_UNFIT',
    ],
    [
      'a key nobody can read',
      { key: { unreadable: 'it needs a passphrase' } },
      at('2026-06-01'),
      'has a key that cannot be read: it needs a passphrase',
      'COULD_NOT_VERIFY',
    ],
  ])('faults 61: fails %s', (_, changes, now, message, code) => {
    expect(judge(changes, now)).toEqual([['failed', message, code]]);
  });

  it('warns from the limit on, of whichever ends first', () => {
    const limit = new Date(Date.parse(good.notAfter) - WARN_BEFORE);
    expect(judge({}, new Date(limit.getTime() - 1))[0]?.[0]).toBe('ok');
    expect(judge({}, limit)).toEqual([['warning', `expires at ${good.notAfter}`, 'CERTIFICATE_UNFIT']]);
    expect(judge({ chainNotAfter: '2026-06-10T00:00:00.000Z' })).toEqual([
      ['warning', 'expires at 2026-06-10T00:00:00.000Z', 'CERTIFICATE_UNFIT'],
    ]);
  });

  it('names everything that is wrong at once', () => {
    expect(judge({ key: 'differs', uncovered: ['a'] }, at('2028-01-01'))).toHaveLength(3);
  });
});
