// The documents against the tree and the program, as far as no server is needed.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_MEANINGS } from '../../client/command.ts';
import { COMMANDS } from '../../client/command-table.ts';
import { anchorsOf, DOCUMENTS, LINKED, linksOf, namedCommands } from './document-commands.ts';
import { failureRows, rowsIn } from './failure-table.ts';

describe.each(LINKED)('%s', (document) => {
  it('links only to what is there', () => {
    const missing = linksOf(document).filter((target) => !existsSync(join(dirname(document), target)));
    expect(missing).toEqual([]);
    const { named, there } = anchorsOf(document);
    expect(named.filter((anchor) => !there.includes(anchor))).toEqual([]);
  });
});

describe.each(DOCUMENTS)('%s', (document) => {
  const text = readFileSync(document, 'utf8');

  it('names only commands that dr has', async () => {
    for (const [name = '', sub] of namedCommands(text)) {
      const entry = COMMANDS.find((one) => one.name === name);
      expect(entry, `dr ${name}`).toBeDefined();
      const { spec } = (await entry?.load()) ?? {};
      if (spec === undefined || !('commands' in spec) || sub === undefined) continue;
      const known = spec.commands.map((one) => one.name);
      expect(known, `dr ${name} ${sub}`).toContain(sub);
    }
  });

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name ?? '');
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe('docs/BACKUP_PROCEDURES.md', () => {
  it('says of every failure code what the program says', () => {
    expect(rowsIn(readFileSync('docs/BACKUP_PROCEDURES.md', 'utf8'))).toEqual(failureRows);
  });
});

describe('README.md', () => {
  it('lists every exit code of the program', () => {
    const listed = [...readFileSync('README.md', 'utf8').matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)];
    expect(listed.map(([, code, meaning]) => `${code} ${meaning}`)).toEqual(Object.values(EXIT_MEANINGS));
  });
});
