import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const text = readFileSync('CONTRIBUTING.md', 'utf8');
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

describe('CONTRIBUTING.md', () => {
  it('names only files and folders that are there', () => {
    const named = [...text.matchAll(/`([\w./-]+(?:\/|\.(?:ts|mjs|md|yml|json)))`/g)].map(([, path]) => path ?? '');
    const ofTheTree = named.filter((path) => path.includes('/') || path.startsWith('.'));
    expect(ofTheTree.length).toBeGreaterThan(15);
    expect(ofTheTree.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('names only scripts that package.json has', () => {
    const named = [...text.matchAll(/`npm (?:run )?([\w:]+)/g)].map(([, name]) => name ?? '');
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('names every room', () => {
    for (const room of ['domain', 'workflows', 'activities', 'workers', 'client', 'local', 'test']) {
      expect(text).toMatch(new RegExp(`^\\| \`${room}/\` +\\|`, 'm'));
    }
  });
});
