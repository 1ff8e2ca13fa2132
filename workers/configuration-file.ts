// Reads the configuration for a process that must not start on a wrong one.
import { readFile } from 'node:fs/promises';
import { parseConfiguration } from '../domain/configuration/parse.ts';
import { problemLine } from '../domain/configuration/problem.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';

/** @throws {Failure} CONFIG_MISSING, CONFIG_INVALID with every problem on a line of its own. */
export async function readConfiguration(path: string): Promise<Configuration> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new Failure('CONFIG_MISSING', `configuration file '${path}' cannot be read`, { path }, cause);
  });
  const { configuration, problems } = parseConfiguration(text);
  if (configuration !== null) return configuration;
  const errors = problems.filter(({ level }) => level === 'error').map((problem) => problemLine(path, problem));
  throw new Failure('CONFIG_INVALID', errors.join('\n'), { path });
}
