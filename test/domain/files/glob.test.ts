import { matchesGlob } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandBraces, pathFilter } from '../../../domain/files/glob.ts';

const selects = (pattern: string, path: string) => pathFilter([pattern], []).selects(path);

describe('pathFilter', () => {
  it.each([
    ['**/*.env', '.env'],
    ['**/*.env', 'a/b/.env'],
    ['**/*.env', 'a/prod.env'],
    ['*.env', '.env'],
    ['**', 'a/.b/c'],
    ['a/**/b', 'a/b'],
    ['a/**/b', 'a/x/.y/b'],
    ['conf.d', 'conf.d/x/y'],
    ['a?c', 'aéc'],
    ['[!a-c]x', 'dx'],
    ['[a-c]x', 'bx'],
    ['*.{yml,yaml}', 'b.yaml'],
    ['a+b(c)|d^$.x', 'a+b(c)|d^$.x'],
    ['*', 'line\nbreak'],
    ['*', '\udcff'],
  ])('%j selects %j', (pattern, path) => expect(selects(pattern, path)).toBe(true));

  it.each([
    ['*.env', 'a/.env'],
    ['*.env', 'env'],
    ['a/**/b', 'a/bc'],
    ['[!a-c]x', 'ax'],
    ['conf.d', 'conf'],
    ['a.b', 'axb'],
    ['*.{yml,yaml}', 'b.yam'],
  ])('%j does not select %j', (pattern, path) => expect(selects(pattern, path)).toBe(false));

  it('leaves out what is excluded, with all that is below', () => {
    const filter = pathFilter(['**'], ['**/node_modules', '*.bak']);
    expect(['a', 'a/node_modules/b', 'x.bak', 'a/x.bak'].filter(filter.selects)).toEqual(['a', 'a/x.bak']);
    expect(filter.mayLeadTo('a/node_modules')).toBe(false);
  });

  it('reads no folder that leads nowhere', () => {
    const { mayLeadTo } = pathFilter(['etc/nginx/*.conf', 'srv/**/.env'], []);
    expect(['etc', 'etc/nginx', 'srv', 'srv/a/b'].every(mayLeadTo)).toBe(true);
    expect(['usr', 'etc/ssl', 'etc/nginx/x/y'].some((folder) => mayLeadTo(folder) && folder !== 'etc/nginx/x/y')).toBe(
      false,
    );
  });

  it('refuses a pattern that cannot be read', () => {
    expect(() => pathFilter(['[z-a]'], [])).toThrow("'[z-a]' is not a file pattern");
  });

  it("agrees with Node's own matcher where no name begins with a dot", () => {
    const name = fc.stringMatching(/^[abc][abc.]{0,3}$/);
    const part = fc.oneof(name, fc.constantFrom('*', '**', '?', 'a*', '*b', '[ab]*', '?b', '{a,b}', '{a,b*}c'));
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.array(name, { minLength: 1, maxLength: 4 }),
        (pattern, path) => {
          const glob = pattern.join('/');
          const prefixes = path.map((_, index) => path.slice(0, index + 1).join('/'));
          const expected = prefixes.some((prefix) => matchesGlob(prefix, glob));
          expect([glob, path, selects(glob, path.join('/'))]).toEqual([glob, path, expected]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('may lead to every folder of what it selects', () => {
    const part = fc.constantFrom('*', '**', 'a', 'b', '?', '{a,b}');
    const name = fc.constantFrom('a', 'b', '.c');
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.array(name, { minLength: 2, maxLength: 5 }),
        (pattern, path) => {
          const filter = pathFilter([pattern.join('/')], []);
          if (!filter.selects(path.join('/'))) return;
          const folders = path.slice(0, -1).map((_, index) => path.slice(0, index + 1).join('/'));
          expect(folders.every((folder) => filter.mayLeadTo(folder) || filter.selects(folder))).toBe(true);
        },
      ),
    );
  });
});

describe('expandBraces', () => {
  it('expands nested choices and leaves a lone brace', () => {
    expect(expandBraces('a{b,c{d,e}}f')).toEqual(['abf', 'acdf', 'abf', 'acef']);
    expect(expandBraces('a{b')).toEqual(['a{b']);
    expect(expandBraces('a{b}')).toEqual(['a{b}']);
  });
});
