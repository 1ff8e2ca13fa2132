// When is a certificate fit to be served? Facts in, findings out; the clock is handed in.
import type { Finding } from '../contracts/protected-system.ts';
import type { FailureCode } from '../failures.ts';

/** What was read from one certificate with its key and chain. Times are ISO (UTC). */
export interface CertificateFacts {
  readonly name: string;
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** Null when the key could not be read, and why. */
  readonly key: 'matches' | 'differs' | { readonly unreadable: string };
  readonly chain: 'verified' | 'not given' | { readonly broken: string };
  /** The first end of validity among the certificates above it; null without a chain. */
  readonly chainNotAfter: string | null;
  /** Names that it should be good for and is not. */
  readonly uncovered: readonly string[];
}

/** Everything wrong with a certificate at `now`; one `ok` finding when nothing is. */
export function judgeCertificate(facts: CertificateFacts, now: Date, warnBeforeMs: number): readonly Finding[] {
  const found = [...pairFindings(facts), ...timeFindings(facts, now, warnBeforeMs)];
  if (found.length > 0) return found;
  const chain = facts.chain === 'not given' ? 'no chain was given to check' : 'its chain verifies';
  const message = `matches its key, ${chain}, valid until ${facts.notAfter}`;
  return [{ level: 'ok', subject: subjectOf(facts.name), message, code: null }];
}

/** The finding for a certificate that cannot be read at all. */
export function unreadableCertificate(name: string, why: string): Finding {
  return { level: 'failed', subject: subjectOf(name), message: why, code: 'COULD_NOT_VERIFY' };
}

const subjectOf = (name: string): string => `certificate "${name}"`;

function pairFindings({ name, key, chain, uncovered }: CertificateFacts): Finding[] {
  const findings: Finding[] = [];
  if (key === 'differs') findings.push(unfit(name, 'does not match its key'));
  else if (key !== 'matches')
    findings.push(unfit(name, `has a key that cannot be read: ${key.unreadable}`, 'COULD_NOT_VERIFY'));
  if (typeof chain === 'object') findings.push(unfit(name, `has a broken chain: ${chain.broken}`));
  if (uncovered.length > 0)
    findings.push(unfit(name, `is not good for ${uncovered.map((one) => `'${one}'`).join(', ')}`));
  return findings;
}

function timeFindings(facts: CertificateFacts, now: Date, warnBeforeMs: number): Finding[] {
  const { name, notBefore, notAfter, chainNotAfter } = facts;
  if (now < new Date(notBefore)) return [unfit(name, `is not valid before ${notBefore}`)];
  if (now > new Date(notAfter)) return [unfit(name, `expired at ${notAfter}`)];
  if (chainNotAfter !== null && now > new Date(chainNotAfter)) {
    return [unfit(name, `has a chain that expired at ${chainNotAfter}`)];
  }
  const end = chainNotAfter !== null && chainNotAfter < notAfter ? chainNotAfter : notAfter;
  if (new Date(end).getTime() - now.getTime() > warnBeforeMs) return [];
  return [{ level: 'warning', subject: subjectOf(name), message: `expires at ${end}`, code: 'CERTIFICATE_UNFIT' }];
}

function unfit(name: string, message: string, code: FailureCode = 'CERTIFICATE_UNFIT'): Finding {
  return { level: 'failed', subject: subjectOf(name), message, code };
}
