import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAudit } from '../../../activities/audit/index.ts';
import { sha256 } from '../../../activities/audit/walk.ts';
import { formatRecord, recordName } from '../../../domain/audit.ts';
import type { TextTier } from '../../../domain/contracts/repository.ts';
import { Failure } from '../../../domain/failures.ts';
import { failureOf, ownFolder } from '../../support/file-systems.ts';

const entry = (number: number) => ({
  act: 'restore.approved',
  subject: `backup ${number}`,
  person: 'ada',
  run: `run-${number}`,
  reason: 'drill',
  facts: { number },
});

async function aLog(records = 0, tiers: readonly TextTier[] = []) {
  const witnessDirectory = await ownFolder();
  const now = () => new Date('2026-11-23T06:00:00.000Z');
  const audit = createAudit({ platform: 'shop', witnessDirectory, tiers, now });
  for (let number = 1; number <= records; number++) await audit.record(entry(number));
  const file = (number: number) => join(witnessDirectory, 'audit', recordName(number));
  return { witnessDirectory, audit, file };
}

type Log = Awaited<ReturnType<typeof aLog>>;

const verdict = async ({ audit }: Log, head?: string) => {
  const [first] = await audit.verify(head === undefined ? {} : { head });
  return `${first?.level}: ${first?.message}`;
};

describe('the audit log', () => {
  it('keeps records in a chain that verifies, private, and lists them', async () => {
    const log = await aLog(3);
    expect(await verdict(log)).toMatch(/^ok: 3 records are whole; head 3:[0-9a-f]{64}$/);
    const [second] = await log.audit.list({ after: 1, limit: 1 });
    expect(second).toMatchObject({
      ...entry(2),
      sequence: 2,
      platform: 'shop',
      at: '2026-11-23T06:00:00.000Z',
    });
    expect((await log.audit.list({ newest: 2 })).map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect((await log.audit.list({ run: 'run-3' })).map(({ sequence }) => sequence)).toEqual([3]);
    expect((await stat(log.file(1))).mode & 0o777).toBe(0o600);
  });

  it('records the same act of the same run once, also from another worker', async () => {
    const log = await aLog(2);
    await log.audit.record(entry(2));
    await createAudit({ platform: 'shop', witnessDirectory: log.witnessDirectory }).record(entry(1));
    expect(await log.audit.list({})).toHaveLength(2);
  });

  it('gives each of many writers its own number and loses none', async () => {
    const { witnessDirectory, ...log } = await aLog();
    const writers = [1, 2, 3].map(() => createAudit({ platform: 'shop', witnessDirectory }));
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    await Promise.all(numbers.map((number) => writers[number % 3]?.record(entry(number % 20))));
    const runs = (await log.audit.list({})).map(({ run }) => run);
    expect(runs.toSorted()).toEqual(
      numbers
        .slice(0, 20)
        .map((number) => `run-${number}`)
        .toSorted(),
    );
    expect(await verdict({ witnessDirectory, ...log })).toMatch(/^ok: 20 records/);
    expect((await readdir(witnessDirectory)).sort()).toEqual(['audit', 'audit-head.json']);
  });

  it('mends a head that was not moved because the worker was killed', async () => {
    const log = await aLog(3);
    const head = join(log.witnessDirectory, 'audit-head.json');
    const earlier = JSON.stringify({ sequence: 2, hash: (await log.audit.pieces({ after: 1 }))[0]?.sha256 });
    await writeFile(head, earlier);
    expect((await log.audit.verify({})).map(({ level }) => level)).toEqual(['ok', 'warning']);
    await createAudit({ platform: 'shop', witnessDirectory: log.witnessDirectory }).record(entry(3));
    expect((await log.audit.verify({})).map(({ level }) => level)).toEqual(['ok']);
    expect(await log.audit.list({})).toHaveLength(3);
  });

  it('gives its pieces for copying, byte by byte', async () => {
    const log = await aLog(3);
    const pieces = await log.audit.pieces({ after: 1 });
    expect(pieces.map(({ name }) => name)).toEqual(['audit/000000000002.json', 'audit/000000000003.json']);
    expect(pieces[0]?.text).toBe(await readFile(log.file(2), 'utf8'));
  });
});

describe('faults 74: verifying the audit log', () => {
  it('names an edited record', async () => {
    const log = await aLog(4);
    const record = JSON.parse(await readFile(log.file(2), 'utf8'));
    await writeFile(log.file(2), formatRecord({ ...record, person: 'eve' }));
    expect(await verdict(log)).toBe('failed: audit record 2 was edited: record 3 holds another hash of it');
  });

  it('names an edited last record', async () => {
    const log = await aLog(4);
    const record = JSON.parse(await readFile(log.file(4), 'utf8'));
    await writeFile(log.file(4), formatRecord({ ...record, person: 'eve' }));
    expect(await verdict(log)).toBe('failed: audit record 4 was edited: the head kept apart holds another hash of it');
  });

  it('names a record with one flipped bit', async () => {
    const log = await aLog(3);
    const bytes = await readFile(log.file(2));
    bytes.writeUInt8(bytes.readUInt8(5) ^ 0x80, 5);
    await writeFile(log.file(2), bytes);
    expect(await verdict(log)).toBe('failed: audit record 2 was edited: it is not a whole record');
  });

  it('names a deleted record', async () => {
    const log = await aLog(4);
    await rm(log.file(3));
    expect(await verdict(log)).toBe('failed: audit record 3 is missing');
  });

  it('names two records that changed places', async () => {
    const log = await aLog(4);
    await rename(log.file(2), `${log.file(2)}.tmp`);
    await rename(log.file(3), log.file(2));
    await rename(`${log.file(2)}.tmp`, log.file(3));
    expect(await verdict(log)).toBe('failed: audit record 2 was reordered: its place holds record 3');
  });

  it('names the first record of a cut, and refuses to write over it', async () => {
    const log = await aLog(4);
    await rm(log.file(4));
    await rm(log.file(3));
    expect(await verdict(log)).toBe('failed: the audit log was cut: audit record 3 is missing, and 4 were recorded');
    const fresh = createAudit({ platform: 'shop', witnessDirectory: log.witnessDirectory });
    expect(await failureOf(fresh.record(entry(9)))).toBe('AUDIT_BROKEN');
  });

  it('finds a log that was cut together with its head by a head written down elsewhere', async () => {
    const log = await aLog(4);
    const written = (await verdict(log)).split('head ')[1];
    const short = await aLog(3);
    expect(await verdict(short)).toMatch(/^ok: 3/);
    expect(await verdict(short, written)).toMatch(/^failed: the audit log was cut: audit record 4 is missing/);
  });

  it('finds a head that is missing or not a head', async () => {
    const log = await aLog(2);
    const head = join(log.witnessDirectory, 'audit-head.json');
    await writeFile(head, '{}');
    expect(await verdict(log)).toBe('failed: the head of the audit log cannot be read');
    await rm(head);
    expect(await verdict(log)).toBe('failed: the head kept apart is missing');
  });

  it('names a record that cannot be read, one of another platform, and a foreign file', async () => {
    const log = await aLog(2);
    expect(
      (await createAudit({ platform: 'other', witnessDirectory: log.witnessDirectory }).verify({}))[0]?.message,
    ).toBe("audit record 1 belongs to platform 'shop'");
    await rm(log.file(1));
    await mkdir(log.file(1));
    expect(await verdict(log)).toBe('failed: audit record 1 cannot be read: EISDIR');
    await writeFile(join(log.witnessDirectory, 'audit', 'note.txt'), '');
    expect(await verdict(log)).toBe('failed: the audit log holds "note.txt", which is no record');
  });
});

interface FakeTier extends TextTier {
  readonly objects: Map<string, string>;
  writes: number;
  isDown: boolean;
}

function aTier(name: string): FakeTier {
  const objects = new Map<string, string>();
  const up = () => {
    if (tier.isDown) throw new Failure('STORE_UNREACHABLE', `tier '${name}' is down`);
  };
  const tier: FakeTier = {
    name,
    objects,
    writes: 0,
    isDown: false,
    create: async (object, text) => {
      up();
      tier.writes++;
      if ((objects.get(object) ?? text) !== text) throw new Failure('ALREADY_EXISTS_DIFFERENT', object);
      objects.set(object, text);
    },
    read: async (object) => objects.get(object) ?? null,
    list: async () => {
      up();
      return [...objects.keys()].map((object) => ({ name: object }));
    },
  };
  return tier;
}

const copyVerdicts = async ({ audit }: Log) =>
  (await audit.verify({})).slice(1).map(({ level, message }) => `${level}: ${message}`);

describe('copies of the audit log in the tiers', () => {
  it('are equal byte by byte, and copying again writes only what is new', async () => {
    const tier = aTier('s3');
    const log = await aLog(3, [tier]);
    expect(await copyVerdicts(log)).toEqual(['warning: nothing was copied yet; the next backup does']);
    await log.audit.copyToTiers({});
    expect(tier.objects.get('audit/000000000002.json')).toBe(await readFile(log.file(2), 'utf8'));
    await log.audit.copyToTiers({});
    expect(tier.writes).toBe(3);
    await log.audit.record(entry(4));
    await log.audit.copyToTiers({});
    expect(tier.writes).toBe(4);
    expect(await copyVerdicts(log)).toEqual(['ok: records 1 to 4 are there; the newest 4 are equal']);
  });

  it('go into the other tiers when one is down, and into that one later', async () => {
    const [down, up] = [aTier('down'), aTier('up')];
    const log = await aLog(2, [down, up]);
    down.isDown = true;
    expect(await failureOf(log.audit.copyToTiers({}))).toBe('STORE_UNREACHABLE');
    expect(up.objects.size).toBe(2);
    down.isDown = false;
    await log.audit.copyToTiers({});
    expect(down.objects).toEqual(up.objects);
  });

  it('faults 3: are found again when the worker was killed before it wrote down how far it came', async () => {
    const tier = aTier('s3');
    const log = await aLog(3, [tier]);
    await log.audit.copyToTiers({});
    await rm(join(log.witnessDirectory, 'audit-copied-s3.json'));
    await log.audit.copyToTiers({});
    expect(await copyVerdicts(log)).toEqual(['ok: records 1 to 3 are there; the newest 3 are equal']);
  });

  it('faults 74: tell of a copy that was edited or removed, and of a log that was made anew', async () => {
    const tier = aTier('s3');
    const log = await aLog(3, [tier]);
    await log.audit.copyToTiers({});
    const name = 'audit/000000000002.json';
    const text = tier.objects.get(name) ?? '';
    tier.objects.set(name, text.replace('ada', 'eve'));
    expect(await copyVerdicts(log)).toEqual(["failed: the copy of audit record 2 in tier 's3' differs"]);
    tier.objects.delete(name);
    expect(await copyVerdicts(log)).toEqual(["failed: the copy of audit record 2 in tier 's3' is missing"]);
    tier.objects.set(name, text);
    const record = JSON.parse(await readFile(log.file(3), 'utf8'));
    await writeFile(log.file(3), formatRecord({ ...record, person: 'eve' }));
    expect(await failureOf(log.audit.copyToTiers({}))).toBe('AUDIT_BROKEN');
  });
});

describe('faults 74: a log that was cut together with all that the witness knows of it', () => {
  it('is found out by its copies in the tiers, which name the first record that is gone', async () => {
    const tier = aTier('s3');
    const log = await aLog(4, [tier]);
    await log.audit.copyToTiers({});
    for (const sequence of [3, 4]) await rm(log.file(sequence));
    const cut = JSON.stringify({ sequence: 2, hash: sha256(await readFile(log.file(2), 'utf8')) });
    for (const head of ['audit-head.json', 'audit-copied-s3.json'])
      await writeFile(join(log.witnessDirectory, head), cut);
    expect(await verdict(log)).toMatch(/^ok: 2 records are whole/);
    expect(await copyVerdicts(log)).toEqual([
      "failed: the audit log was cut: audit record 3 is missing, and its copy lies in tier 's3'",
    ]);
  });
});

describe('a long audit log', () => {
  it('is read from its end: a record and the newest lines cost what they read, not what was ever written', async () => {
    const { witnessDirectory } = await aLongLog(3000);
    await rm(join(witnessDirectory, 'audit', recordName(1)));
    const fresh = createAudit({ platform: 'shop', witnessDirectory });
    await fresh.record(entry(3001));
    expect((await fresh.list({ newest: 2 })).map(({ sequence }) => sequence)).toEqual([3000, 3001]);
    expect((await fresh.pieces({ after: 2999 })).map(({ sequence }) => sequence)).toEqual([3000, 3001]);
    expect((await fresh.verify({}))[0]?.message).toBe('audit record 1 is missing');
  });
});

async function aLongLog(count: number) {
  const witnessDirectory = await ownFolder();
  await mkdir(join(witnessDirectory, 'audit'));
  let previous: string | null = null;
  for (let sequence = 1; sequence <= count; sequence++) {
    const at = '2026-11-23T06:00:00.000Z';
    const text = formatRecord({ ...entry(sequence), format: 1, platform: 'shop', sequence, previous, at });
    await writeFile(join(witnessDirectory, 'audit', recordName(sequence)), text);
    previous = sha256(text);
  }
  await writeFile(join(witnessDirectory, 'audit-head.json'), JSON.stringify({ sequence: count, hash: previous }));
  return { witnessDirectory };
}
