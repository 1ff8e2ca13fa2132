// Secrets are references in the configuration and are resolved on the worker that uses them, at the moment of use.
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Failure } from '../../domain/failures.ts';

const run = promisify(execFile);
const REFERENCE = /^\$\{(env|file|command):(.*)\}$/s;

/**
 * The secret behind `${env:NAME}`, `${file:/path}` or `${command:["program","argument"]}`; one final newline is removed.
 * @throws {Failure} SECRET_UNRESOLVED when it is not there or empty, FILE_TOO_OPEN when others may read the file.
 */
export async function resolveSecret(reference: string): Promise<string> {
  const [, kind, body] = REFERENCE.exec(reference) ?? [];
  if (kind === undefined || body === undefined) throw unresolved('a secret is not given by reference');
  const value =
    kind === 'env' ? fromEnvironment(body) : kind === 'file' ? await fromFile(body) : await fromCommand(body);
  const secret = value.replace(/\r?\n$/, '');
  if (secret === '') throw unresolved(`the secret of ${kind} ${kind === 'command' ? 'reference' : body} is empty`);
  return secret;
}

function unresolved(what: string, cause?: unknown): Failure {
  return new Failure('SECRET_UNRESOLVED', what, {}, cause);
}

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw unresolved(`environment variable ${name} is not set`);
  return value;
}

async function fromFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause) => {
    throw unresolved(`secret file '${path}' cannot be opened`, cause);
  });
  try {
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0)
      throw new Failure('FILE_TOO_OPEN', `secret file '${path}' can be read by others`, { path });
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

async function fromCommand(body: string): Promise<string> {
  const [program, ...args] = JSON.parse(body) as string[];
  if (program === undefined) throw unresolved('a secret command names no program');
  try {
    const { stdout } = await run(program, args, { timeout: 15_000, maxBuffer: 1024 * 1024 });
    return stdout;
  } catch (cause) {
    // The command's own words may hold the secret, so only its name is told.
    throw unresolved(`secret command '${program}' failed`, (cause as { code?: unknown }).code);
  }
}
