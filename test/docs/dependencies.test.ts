import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = (path: string) => new URL(`../../${path}`, import.meta.url);
const json = (path: string) => JSON.parse(readFileSync(root(path), 'utf8'));

interface Row {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly why: string;
}

const rows: Row[] = readFileSync(root('docs/dependencies.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (package|---)/.test(line))
  .map((line) => {
    const [, name = '', version = '', licence = '', why = ''] = line.split('|').map((cell) => cell.trim());
    return { name, version, licence, why };
  });

test('the page names exactly the packages of package.json, in their versions', () => {
  const { dependencies, devDependencies } = json('package.json');
  const named = Object.fromEntries(rows.map(({ name, version }) => [name, version]));
  expect(named).toEqual({ ...dependencies, ...devDependencies });
});

test('each package has a reason and the licence that it says itself', () => {
  for (const { name, licence, why } of rows) {
    expect(why.length, name).toBeGreaterThan(10);
    expect(licence, name).toBe(json(`node_modules/${name}/package.json`).license);
  }
});
