// faults 65: whatever stands in the configuration is data. Every text in it is made hostile, and everything that reads it
// is run; what would have been executed leaves a file behind.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import { EXAMPLE } from '../domain/configuration/example.ts';
import { dr } from './dr.ts';

let directory: string;
let canary: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-injection-'));
  canary = join(directory, 'canary');
  await mkdir(canary);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const PAYLOADS: Readonly<Record<string, (file: string) => string>> = {
  'a command substitution': (file) => `$(touch ${file})`,
  'a command in backticks': (file) => `\`touch ${file}\``,
  'an end of a quoted word': (file) => `'; touch ${file}; '`,
  'an end of a statement': (file) => `'; DROP TABLE x; COPY (SELECT 1) TO PROGRAM 'touch ${file}'; --`,
  'an empty reference': () => '${}',
  'a template': (file) => `\${{ touch ${file} }}`,
  'a second line': (file) => `first\ntouch ${file}`,
};

type Path = readonly (string | number)[];

/** Where the configuration has a text. */
function textsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') return [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => textsIn(inner, [...path, name]));
}

function withText(configuration: object, path: Path, change: (text: string) => string): object {
  const copy = structuredClone(configuration);
  let at = copy as Record<string, unknown>;
  for (const name of path.slice(0, -1)) at = at[String(name)] as Record<string, unknown>;
  const last = String(path.at(-1));
  at[last] = change(String(at[last]));
  return copy;
}

describe('faults 65: every text of the configuration', () => {
  it.each(Object.entries(PAYLOADS))(
    'may be %s: it is refused or used as it is, and nothing is executed',
    async (_, payload) => {
      const example = parse(EXAMPLE) as object;
      const hostile = payload(join(canary, 'executed'));
      const isAbsolute = (text: string) => text.startsWith('/');
      let all = example;
      for (const path of textsIn(example)) {
        const make = (text: string) => (isAbsolute(text) ? `${directory}/${hostile}` : hostile);
        const { configuration } = parseConfiguration(stringify(withText(all, path, make)));
        if (configuration !== undefined && configuration !== null) all = withText(all, path, make);
      }
      expect(all).not.toEqual(example); // Some texts take anything.
      const file = join(directory, 'holdfast.yaml');
      await writeFile(file, stringify(all));
      for (const args of [
        ['config', 'check'],
        ['config', 'show'],
        ['doctor'],
        ['backups', 'list', '--without-temporal'],
      ]) {
        const { status, stdout, stderr } = await dr([...args, '--config', file, '--json']);
        expect(() => JSON.parse(stdout), `${args} ${status} ${stderr}`).not.toThrow();
      }
      expect(await readdir(canary)).toEqual([]);
    },
  );

  it('is told on a terminal without moving it: no control character of a name is printed', async () => {
    const file = join(directory, 'holdfast.yaml');
    await writeFile(file, EXAMPLE.replace('/backup/holdfast', '"/backup/\\e[2Jx\\ny"'));
    const { stdout, stderr } = await dr(['backups', 'list', '--without-temporal', '--config', file]);
    expect(`${stdout}${stderr}`).not.toContain('\u001b');
  });
});
