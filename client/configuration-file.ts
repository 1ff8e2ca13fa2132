// Finding and reading the configuration file for a command.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type ParsedConfiguration, parseConfiguration } from '../domain/configuration/parse.ts';
import { problemLine } from '../domain/configuration/problem.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';
import { counted } from '../domain/quantities.ts';
import type { Call } from './command.ts';

export interface Loaded {
  /** Absolute path. */
  readonly file: string;
  readonly configuration: Configuration;
  /** The site that was named, or the active one. */
  readonly site: string;
}

const PLACES = ['holdfast.yaml', '/etc/holdfast/holdfast.yaml'];

/** The file that `--config`, $HOLDFAST_CONFIG or the usual places name. @throws {Failure} CONFIG_MISSING. */
export function configurationFile(call: Call): string {
  const named = call.options.text('config') ?? process.env.HOLDFAST_CONFIG;
  const file = named ?? PLACES.find((place) => existsSync(place));
  if (file === undefined)
    throw new Failure('CONFIG_MISSING', `there is no configuration (looked for ${PLACES.join(', ')})`);
  return resolve(file);
}

/** Reads and checks it without judging. @throws {Failure} CONFIG_MISSING. */
export async function parseFile(file: string): Promise<ParsedConfiguration> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(
      'CONFIG_MISSING',
      `configuration '${file}' cannot be read (${cause.code ?? 'unknown'})`,
      {},
      cause,
    );
  });
  return parseConfiguration(text);
}

/** A configuration without errors, for a command that needs one. @throws {Failure} CONFIG_INVALID with every line. */
export async function loadConfiguration(call: Call): Promise<Loaded> {
  const file = configurationFile(call);
  const { configuration, problems } = await parseFile(file);
  if (configuration === null) throw invalid(file, problems);
  return { file, configuration, site: chosenSite(call, configuration) };
}

/** The failure that tells all problems of a file. */
export function invalid(file: string, problems: ParsedConfiguration['problems']): Failure {
  const errors = problems.filter((problem) => problem.level === 'error');
  const lines = errors.map((problem) => problemLine(file, problem));
  return new Failure('CONFIG_INVALID', [...lines, `'${file}' has ${counted(errors.length, 'error')}`].join('\n'));
}

function chosenSite(call: Call, { activeSite, sites }: Configuration): string {
  const site = call.options.text('site') ?? activeSite;
  if (Object.hasOwn(sites, site)) return site;
  throw new Failure(
    'USAGE',
    `there is no site '${site}' in the configuration (known: ${Object.keys(sites).join(', ')})`,
  );
}
