import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../domain/failures.ts';
import { failureOfQuery, failureOfTool } from '../../../domain/systems/postgres-errors.ts';
import {
  compareInventories,
  type DatabaseLine,
  type InventoryLine,
  parseInventory,
  type SequenceLine,
  type TableLine,
  writeInventory,
} from '../../../domain/systems/postgres-inventory.ts';
import {
  databaseConnection,
  keptDatabaseName,
  passwordFileLine,
  quoteIdentifier,
  quoteLiteral,
} from '../../../domain/systems/postgres-names.ts';
import { type ArchiveState, judgeServer, type ServerState } from '../../../domain/systems/postgres-readiness.ts';
import { reasonsAgainst, type TableFacts } from '../../../domain/systems/postgres-table.ts';
import { whyUnfit } from '../../../domain/systems/postgres-versions.ts';

const RUN = '0b1f9d6e-1111-4222-8333-0123456789ab';

describe('versions of PostgreSQL', () => {
  it.each([
    ['dump', 15, 15, null],
    ['dump', 15, 17, null],
    ['dump', 17, 15, 'PostgreSQL 17 or newer, programs and server'],
    ['base', 17, 17, null],
    ['base', 15, 17, 'PostgreSQL 15, programs and server; a logical backup of 15 also loads into 17'],
    ['base', 17, 15, 'PostgreSQL 17, programs and server'],
  ] as const)('a %s of %i for %i needs %o', (form, from, to, need) => {
    expect(whyUnfit(form, from, to)?.need ?? null).toBe(need);
  });
});

describe('names of PostgreSQL', () => {
  it('stay one identifier, whatever they hold', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const inside = quoteIdentifier(name).slice(1, -1);
        expect(inside.replaceAll('""', '')).not.toContain('"');
        expect(inside.replaceAll('""', '"')).toBe(name);
      }),
    );
  });

  it('stay one literal, one connection string and one line of a password file', () => {
    expect(quoteLiteral("a'b\\c")).toBe(" E'a''b\\\\c'");
    expect(databaseConnection("host=evil 'x\\")).toBe("dbname='host=evil \\'x\\\\'");
    expect(passwordFileLine('a:b\\c')).toBe('*:*:*:*:a\\:b\\\\c\n');
  });

  it('of kept databases fit into 63 bytes without breaking a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }), (name) => {
        const kept = keptDatabaseName({ database: name, index: 12 }, RUN);
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(63);
        expect(kept.endsWith('__kept_456789ab')).toBe(true);
        expect(name.startsWith(kept.replace(/(~12)?__kept_456789ab$/, ''))).toBe(true);
      }),
    );
  });
});

const table = (changes: Partial<TableLine> = {}): TableLine => ({
  is: 'table',
  database: 'shop',
  schema: 'public',
  table: 't',
  unlogged: false,
  uncounted: null,
  rows: 10,
  checksum: '7',
  sizeBytes: 8192,
  ...changes,
});
const sequence = (lastValue: string, increment = '1'): SequenceLine => ({
  is: 'sequence',
  database: 'shop',
  schema: 'public',
  sequence: 's',
  lastValue,
  increment,
  cycles: false,
});
const database: DatabaseLine = {
  is: 'database',
  database: 'shop',
  index: 1,
  owner: 'app',
  encoding: 'UTF8',
  collate: 'C',
  ctype: 'C',
  provider: 'c',
  icuLocale: null,
  icuRules: null,
  tablespace: 'pg_default',
  tablespaces: [],
  subscriptions: [],
  connectionLimit: -1,
  isTemplate: false,
  comment: null,
  sizeBytes: 1,
  settings: [],
  grants: null,
  extensions: [{ name: 'amcheck', version: '1.3' }],
};

describe('an inventory', () => {
  it('is read as it was written', () => {
    const lines: InventoryLine[] = [database, table({ table: 'line\nbreak "🐘"' }), sequence('9223372036854775807')];
    expect(parseInventory(writeInventory(lines))).toEqual(lines);
  });

  it('is equal to itself', () => {
    const lines = [database, table(), sequence('3')];
    expect(compareInventories(lines, lines)).toEqual([]);
  });

  it.each<[string, InventoryLine[], InventoryLine[]]>([
    ['one row fewer', [table()], [table({ rows: 9 })]],
    ['one row more', [table()], [table({ rows: 11 })]],
    ['other contents', [table()], [table({ checksum: '8' })]],
    ['a missing table', [table()], []],
    ['a table too many', [], [table()]],
    ['a sequence that fell behind', [sequence('10')], [sequence('9')]],
    ['a descending sequence that fell behind', [sequence('-10', '-1')], [sequence('-9', '-1')]],
    ['another collation', [database], [{ ...database, collate: 'en_US.UTF-8' }]],
    ['a missing extension', [database], [{ ...database, extensions: [] }]],
    [
      'other large objects',
      [{ is: 'large-objects', database: 'shop', rows: 2, checksum: '1' }],
      [{ is: 'large-objects', database: 'shop', rows: 2, checksum: '2' }],
    ],
  ])('tells %s', (_what, recorded, found) => {
    expect(compareInventories(recorded, found)).toHaveLength(1);
  });
});

it('a table of the same name in another schema is missing here and too many there', () => {
  expect(compareInventories([table()], [table({ schema: 'other' })])).toHaveLength(2);
});

const facts = (changes: Partial<TableFacts> = {}): TableFacts => ({
  oid: '1',
  kind: 'r',
  columns: [{ name: 'a', type: 'integer', notNull: true, generated: '', identity: '' }],
  key: ['a'],
  triggers: [],
  rules: [],
  hasChildren: false,
  referencedBy: [],
  sequences: [],
  ...changes,
});
const column = (name: string, type: string) => ({ name, type, notNull: false, generated: '', identity: '' });

describe('replacing rows of a table', () => {
  it('has nothing against it when nothing is in the way', () => {
    expect(reasonsAgainst(facts(), facts())).toEqual([]);
  });

  it.each<[string, TableFacts, TableFacts]>([
    ['triggers', facts({ triggers: ['audit'] }), facts()],
    ['rules', facts({ rules: ['r'] }), facts()],
    ['children', facts({ hasChildren: true }), facts()],
    ['partitions', facts({ kind: 'p' }), facts()],
    ['a new column', facts({ columns: [column('a', 'integer'), column('b', 'text')] }), facts()],
    ['a lost column', facts({ columns: [] }), facts()],
    ['another type', facts({ columns: [column('a', 'bigint')] }), facts()],
  ])('is refused because of %s', (_what, live, stored) => {
    expect(reasonsAgainst(live, stored)).toHaveLength(1);
  });
});

const ready: ServerState = {
  user: 'backup',
  isSuperuser: true,
  canReplicate: true,
  canReadAll: true,
  walLevel: 'replica',
  maxWalSenders: 10,
  usedWalSenders: 0,
  maxSlots: 10,
  usedSlots: 0,
  refusingDatabases: [],
  versionNumber: 170_000,
  summarizesWal: true,
  dataChecksums: true,
  slotLimitMegabytes: -1,
  idleSlots: [],
  archive: null,
  collationMismatches: [],
  hasService: true,
  hasDataDirectory: true,
};

describe('judgeServer', () => {
  it('finds nothing wrong with a server that is ready', () => expect(judgeServer(ready, [])).toEqual([]));

  it.each<[string, Partial<ServerState>, string[]]>([
    ['no right to read', { isSuperuser: false, canReadAll: false }, ['logical']],
    ['no right to replicate', { isSuperuser: false, canReplicate: false }, ['physical']],
    ['minimal WAL', { walLevel: 'minimal' }, ['physical']],
    ['no free WAL sender', { usedWalSenders: 10 }, ['physical']],
    ['no free slot', { usedSlots: 10 }, ['physical']],
    ['a server before 17', { versionNumber: 160_009 }, ['incremental']],
    ['no summaries of WAL', { summarizesWal: false }, ['incremental']],
  ])('refuses %s for the kind that needs it, and says what mends it', (_what, changes, kinds) => {
    const failed = judgeServer({ ...ready, ...changes }, kinds).filter(({ level }) => level === 'failed');
    expect(failed).toHaveLength(1);
    expect(failed[0]?.mend).toBeTruthy();
    const other = kinds[0] === 'logical' ? 'physical' : 'logical';
    expect(judgeServer({ ...ready, ...changes }, [other]).filter(({ level }) => level === 'failed')).toEqual([]);
  });
});

describe('judgeServer on WAL', () => {
  const archive: ArchiveState = {
    waiting: 0,
    lastArchived: '0'.repeat(24),
    lastFailed: null,
    isFailing: false,
    isThere: true,
  };

  it.each<[string, Partial<ServerState>, string]>([
    [
      'faults 37: an archive_command that fails',
      { archive: { ...archive, isFailing: true, lastFailed: 'x' } },
      'fails at x',
    ],
    ['faults 37: segments that wait', { archive: { ...archive, waiting: 3 } }, '3 segments wait'],
    [
      'faults 37: a segment that was said to be stored and is not',
      { archive: { ...archive, isThere: false } },
      'not there',
    ],
    ['faults 37: an archive that cannot be read', { archive: { ...archive, isThere: 'unreadable' } }, 'cannot be read'],
    ['faults 13: a slot that nobody reads', { idleSlots: [{ name: 's', heldBytes: 2 ** 31 }] }, '2048 MiB of WAL'],
    ['faults 39: no checksums', { dataChecksums: false }, 'not noticed'],
  ])('warns of %s', (_what, changes, words) => {
    const [finding, ...others] = judgeServer({ ...ready, ...changes }, []);
    expect(finding).toMatchObject({ level: 'warning', message: expect.stringContaining(words) });
    expect(others).toEqual([]);
  });

  it('says that it cannot see into an archive, and that one that can be seen is whole', () => {
    expect(judgeServer({ ...ready, archive: { ...archive, isThere: null } }, [])).toMatchObject([{ level: 'ok' }]);
    expect(judgeServer({ ...ready, archive }, [])).toEqual([]);
  });
});

describe('errors of PostgreSQL', () => {
  it.each([
    ['28P01', 'ACCESS_DENIED'],
    ['42501', 'ACCESS_DENIED'],
    ['57P03', 'STORE_UNREACHABLE'],
    ['ECONNREFUSED', 'STORE_UNREACHABLE'],
    ['53100', 'NO_SPACE'],
    ['22012', 'TOOL_FAILED'],
  ])('of state %s are %s', (code, failure) => {
    expect(failureOfQuery(Object.assign(new Error('words'), { code }), 'asking').code).toBe(failure);
  });

  it.each([
    ['FATAL:  password authentication failed for user "x"', 'ACCESS_DENIED'],
    ['connection to server at "127.0.0.1", port 1 failed: Connection refused', 'STORE_UNREACHABLE'],
    ['could not write to file: No space left on device', 'NO_SPACE'],
    ['aborting because of server version mismatch', 'VERSION_UNFIT'],
    ['something else', 'TOOL_FAILED'],
  ])('of tools that say "%s" are %s', (words, failure) => {
    expect(failureOfTool(new Failure('TOOL_FAILED', 'ended', { words }))).toMatchObject({ code: failure });
  });
});
