// Contenders are shell pipelines, as an operator would write them.
import { spawn } from 'node:child_process';
import { storeUser } from '../local/servers.ts';

export interface Script {
  readonly script: string;
  readonly env?: Readonly<Record<string, string>>;
  /** True runs it as the stores' user. */
  readonly asStoreUser?: boolean;
}

/** Runs a pipeline, every part of which must succeed. @returns its seconds. @throws {Error} with its last words. */
export async function timedShell({ script, env = {}, asStoreUser = false }: Script): Promise<number> {
  const user = asStoreUser ? storeUser() : undefined;
  const drop = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'];
  const [command = '', ...args] = [...drop, 'bash', '-euo', 'pipefail', '-c', script];
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: '/nonexistent', ...env },
    cwd: '/',
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-2000);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`a contender ended with ${status}: ${words}`);
  return (performance.now() - started) / 1000;
}

/** A word for the shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
