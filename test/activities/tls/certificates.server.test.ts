import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withScope } from '../../../activities/shared/activity-context.ts';
import { createTls } from '../../../activities/tls/index.ts';
import { type MadeCertificate, makeCertificates } from '../../../local/certificates.ts';
import { backUp, carryOut, failureOf, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const DAY = 86_400_000;

async function aSite({
  now = () => new Date(),
  names = undefined as string[] | undefined,
  longestWatchMs = 30_000,
} = {}) {
  const folder = await ownFolder();
  const [web, db] = (await makeCertificates(join(folder, 'pki'), ['web', 'db'])) as [MadeCertificate, MadeCertificate];
  const certificates = [web, db].map(({ name, certificate, key, chain, names: good }) => ({
    name,
    certificate,
    key,
    chain,
    names: name === 'web' && names ? names : good,
  }));
  const backups = createPlainBackups(join(folder, 'backups'));
  const workDirectory = join(folder, 'work');
  const configuration = { certificates, watchEvery: '20ms', warnBefore: '30d' };
  const deps = { platform: 'shop', site: 'west', configuration, workDirectory, scratchUser: undefined, ...backups };
  return { folder, web, db, backups, workDirectory, deps, tls: createTls(deps, { now, longestWatchMs }) };
}

const inspect = { site: 'west', kinds: [] };
const check = { site: 'west', backup: { system: 'tls', backupId: 'b1' }, tier: null, run: 'check-1' } as const;
const inDays = (days: number) => () => new Date(Date.now() + days * DAY);

describe('an inspection of certificates', () => {
  it('finds nothing wrong with whole ones', async () => {
    const { tls } = await aSite();
    const { findings, counts } = await tls.inspect(inspect);
    expect(findings.map(({ level }) => level)).toEqual(['ok', 'ok']);
    expect(counts).toEqual({ files: 6, directories: 0, links: 0, leftOut: 0 });
  });

  it('faults 61: names a key that belongs to another certificate, an uncovered name and an expired certificate', async () => {
    const { web, db, tls } = await aSite({ now: inDays(366), names: ['other.example.test'] });
    await copyFile(db.key, web.key);
    const { findings } = await tls.inspect(inspect);
    const web4 = findings.filter(({ subject }) => subject === 'certificate "web"');
    expect(web4.map(({ message }) => message)).toEqual([
      'does not match its key',
      "is not good for 'other.example.test'",
      expect.stringMatching(/^expired at /),
    ]);
    expect(web4.every(({ code, level }) => code === 'CERTIFICATE_UNFIT' && level === 'warning')).toBe(true);
  });

  it('faults 61: names a certificate that is not valid yet and one that expires soon', async () => {
    const early = await aSite({ now: inDays(-2) });
    expect((await early.tls.inspect(inspect)).findings[0]?.message).toMatch(/^is not valid before /);
    const late = await aSite({ now: inDays(350) });
    expect((await late.tls.inspect(inspect)).findings[0]?.message).toMatch(/^expires at /);
  });

  it('names a chain of another authority, a missing key, a key with a passphrase and a key open to all', async () => {
    const { web, db, folder, tls } = await aSite();
    await makeCertificates(join(folder, 'foreign'), ['x']);
    await copyFile(join(folder, 'foreign', 'authority.crt'), web.chain);
    await chmod(db.key, 0o644);
    const messages = async () => (await tls.inspect(inspect)).findings.map(({ message }) => message);
    expect(await messages()).toEqual([
      "has a broken chain: no certificate in it issued 'CN=db.example.test'",
      "has a broken chain: no certificate in it issued 'CN=web.example.test'",
      'can be read by every user of this machine',
    ]);
    const sealed = createPrivateKey(await readFile(web.key));
    const passphrase = 'canary-passphrase';
    await writeFile(web.key, sealed.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }));
    expect(await messages()).toContain('has a key that cannot be read: it needs a passphrase');
    await rm(web.key);
    expect(await messages()).toContain('is absent');
  });
});

describe('a backup of certificates', () => {
  it('brings certificates, keys and modes back after they were removed', async () => {
    const { web, backups, tls } = await aSite();
    const taken = await backUp(tls, backups, 'tls', 'b1');
    const { fingerprint256 } = new X509Certificate(await readFile(web.certificate));
    expect(taken.facts.report).toMatchObject({
      certificates: { web: { fingerprint: fingerprint256.replaceAll(':', '').toLowerCase() } },
    });
    const [certificate, key] = [await readFile(web.certificate), await readFile(web.key)];
    await rm(web.certificate);
    await rm(web.key);

    const plan = await tls.planRestore(restoreRequest('tls'));
    expect(plan.difference).toEqual({ added: 2, changed: 0, unchanged: 4 });
    await carryOut(tls, plan);

    expect(await readFile(web.certificate)).toEqual(certificate);
    expect(await readFile(web.key)).toEqual(key);
    expect((await stat(web.key)).mode & 0o777).toBe(0o600);
  });

  it('is checked from the stored bytes, against the clock of the check', async () => {
    const { backups, tls, deps } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    const levels = async (days: number) =>
      (await createTls(deps, { now: inDays(days) }).checkBackup(check)).findings.map(({ level }) => level);
    expect(await levels(0)).toEqual(['ok', 'ok', 'ok']);
    expect(await levels(350)).toEqual(['ok', 'warning', 'warning']);
    expect(await levels(366)).toEqual(['ok', 'failed', 'failed']);
  });

  it('fails loudly when a configured file is missing, and leaves nothing behind', async () => {
    const { web, backups, tls, workDirectory, folder } = await aSite();
    await rm(web.key);
    expect(await failureOf(backUp(tls, backups, 'tls', 'b1'))).toBe('CERTIFICATE_UNFIT');
    expect(await textsBelow(workDirectory)).toEqual({});
    expect(await textsBelow(join(folder, 'backups'))).toEqual({});
  });

  it('reads and replaces what a link points to, and leaves the link', async () => {
    const { web, folder, backups, tls } = await aSite();
    await mkdir(join(folder, 'archive'));
    await rename(web.key, join(folder, 'archive', 'key1.pem'));
    await symlink('../archive/key1.pem', web.key);
    await backUp(tls, backups, 'tls', 'b1');
    await writeFile(join(folder, 'archive', 'key1.pem'), 'broken');
    await carryOut(tls, await tls.planRestore(restoreRequest('tls')));
    expect(await readFile(join(folder, 'archive', 'key1.pem'), 'utf8')).toContain('PRIVATE KEY');
    expect(await readFile(web.key, 'utf8')).toContain('PRIVATE KEY');
  });
});

describe('a restore of certificates', () => {
  it('faults 61: refuses an expired certificate unless it is allowed by name, and shows the warning', async () => {
    const { web, backups, tls, deps, workDirectory } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    await rm(web.certificate);
    const later = createTls(deps, { now: inDays(366) });
    expect(await failureOf(later.planRestore(restoreRequest('tls')))).toBe('CERTIFICATE_UNFIT');
    expect(await textsBelow(workDirectory)).toEqual({}); // No key waits in the clear.
    const plan = await later.planRestore(restoreRequest('tls', { options: { allowUnfit: 'yes' } }));
    expect(plan.warnings[0]).toMatch(/^certificate "db" expired at /);
    await carryOut(later, plan);
    expect(await readFile(web.certificate, 'utf8')).toContain('BEGIN CERTIFICATE');
  });

  it('faults 35: decides by a clock that others contradict with a warning, in an inspection, a plan and a refusal', async () => {
    const { backups, tls, deps } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    const year = 365 * DAY;
    const others = ['PostgreSQL', 'Redis'].map((source) => ({ source, skewMs: -year }));
    const ahead = createTls({ ...deps, clocks: async () => others }, { now: inDays(366) });
    const warning = { level: 'warning', subject: 'clock', code: 'CLOCK_SKEWED' };
    expect((await ahead.inspect(inspect)).findings).toContainEqual(expect.objectContaining(warning));
    expect((await ahead.checkBackup(check)).findings).toContainEqual(expect.objectContaining(warning));
    await expect(ahead.planRestore(restoreRequest('tls'))).rejects.toThrow(
      /expired at .*differs from 2 of 2 others \(PostgreSQL by -31536000 s, Redis by -31536000 s\)/,
    );
    const plan = await ahead.planRestore(restoreRequest('tls', { options: { allowUnfit: 'yes' } }));
    expect(plan.warnings.join()).toContain("this machine's clock differs from 2 of 2 others");
    const close = createTls({ ...deps, clocks: async () => others.map((one) => ({ ...one, skewMs: 299_000 })) });
    expect((await close.inspect(inspect)).findings.map(({ level }) => level)).toEqual(['ok', 'ok']);
  });

  it('faults 61: refuses a stored key that would not match the live certificate beside it', async () => {
    const { web, db, backups, tls } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    await copyFile(db.certificate, web.certificate);
    const scope = { kind: 'file', names: { path: web.key } } as const;
    expect(await failureOf(tls.planRestore(restoreRequest('tls', { scope })))).toBe('CERTIFICATE_UNFIT');
  });

  it('into scratch proves an expired backup without touching the live files', async () => {
    const { web, backups, tls, deps, workDirectory } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    const before = await readFile(web.key);
    const later = createTls(deps, { now: inDays(366) });
    const plan = await later.planRestore(restoreRequest('tls', { target: 'scratch' }));
    const results = await carryOut(later, plan);
    expect(results[2]?.facts).toEqual({ compared: 6 });
    await later.finishRestore({ plan, outcome: 'succeeded' });
    expect(await readFile(web.key)).toEqual(before);
    expect(await textsBelow(workDirectory)).toEqual({});
  });

  it('is undone to the very files that were there', async () => {
    const { web, backups, tls } = await aSite();
    await backUp(tls, backups, 'tls', 'b1');
    await writeFile(web.key, 'what was there');
    const plan = await tls.planRestore(restoreRequest('tls'));
    await carryOut(tls, plan);
    await tls.undoRestoreStep({ plan, stepId: 'write', input: {} });
    expect(await readFile(web.key, 'utf8')).toBe('what was there');
  });
});

describe('the certificate watch', () => {
  let site: Awaited<ReturnType<typeof aSite>>;
  const wait = (knownDigest: string | null) => site.tls.waitForChange({ site: 'west', knownDigest });
  const startSite = async (longestWatchMs?: number) => {
    site = await aSite(longestWatchMs === undefined ? {} : { longestWatchMs });
  };

  it('tells the state at once when none is known', async () => {
    await startSite();
    expect((await wait(null)).changedFiles).toHaveLength(6);
  });

  it('returns when a file changes and names it, also one that was removed', async () => {
    await startSite();
    const { digest } = await wait(null);
    const waiting = wait(digest);
    await copyFile(site.db.certificate, site.web.certificate);
    const changed = await waiting;
    expect(changed.changedFiles).toEqual(['web/certificate.pem']);
    await rm(site.db.key);
    expect((await wait(changed.digest)).changedFiles).toEqual(['db/key.pem']);
  });

  it('returns the same digest when nothing changes in time', async () => {
    await startSite(60);
    const { digest } = await wait(null);
    expect(await wait(digest)).toEqual({ digest, changedFiles: [] });
  });

  it('ends at once when it is cancelled', async () => {
    await startSite();
    const { digest } = await wait(null);
    const cancel = new AbortController();
    const waiting = withScope({ signal: cancel.signal, progress: null }, () => wait(digest));
    cancel.abort(new Error('cancelled by the test'));
    await expect(waiting).rejects.toThrow('cancelled by the test');
  });
});
