import { expect, it } from 'vitest';
import { failureOfEngine, insideContainer } from '../../../activities/shared/container.ts';

const container = { exec: ['docker', 'exec', '-i', 'db'] };

it('a program is put behind the engine’s words as it is, whatever is in its arguments', () => {
  const hostile = ['$(touch x)', "'; rm -rf /", '--'];
  const argv = insideContainer(container, 'mark', { command: 'pg_dump', args: hostile, env: { PGUSER: 'a b' } });
  expect(argv.slice(0, 5)).toEqual([...container.exec, 'env']);
  expect(argv).toContain('PGUSER=a b');
  expect(argv.slice(-4)).toEqual(['pg_dump', ...hostile]);
});

it.each([
  ['Error response from daemon: container 4f is not running', 1, 'STORE_UNREACHABLE'],
  ['Error: No such container: db', 1, 'STORE_UNREACHABLE'],
  ['Error: can only create exec sessions on running containers: container state improper', 255, 'STORE_UNREACHABLE'],
  ["env: 'pg_dump': No such file or directory", 127, 'TOOL_MISSING'],
  ['pg_dump: error: connection refused', 1, undefined],
])('an engine that says "%s" tells %s as %s', (words, code, expected) => {
  expect(failureOfEngine(container, { command: 'pg_dump', args: [] }, { code, words })?.code).toBe(expected);
});
