// Runs a command that takes a while and shows that it lives: one line redrawn on a terminal, a line now and then elsewhere.
import { spawn } from 'node:child_process';

const TAIL_CHARACTERS = 4000;

export class CommandFailed extends Error {
  /** @param {string} command @param {string} words */
  constructor(command, words) {
    super(`'${command}' failed`);
    this.words = words;
  }
}

/**
 * Settles when the command has ended. It has no standard input and its output is shown only when it fails.
 * @param {string} what shown while it runs
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} [environment] added to this process's own
 * @returns {Promise<void>}
 */
export function runLong(what, command, args, environment = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let tail = '';
  const keep = (chunk) => {
    tail = (tail + chunk).slice(-TAIL_CHARACTERS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const display = showLife(what, () => tail);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      display.end();
      reject(new CommandFailed(command, error.message));
    });
    child.once('close', (code) => {
      display.end();
      if (code === 0) resolve();
      else reject(new CommandFailed(`${command} ${args.join(' ')}`, tail));
    });
  });
}

function showLife(what, tail) {
  const terminal = process.stdout.isTTY === true;
  const started = Date.now();
  const draw = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    if (!terminal) return console.log(`  ${what}: ${seconds} s so far`);
    const width = (process.stdout.columns ?? 80) - 1;
    const last =
      tail()
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1) ?? '';
    process.stdout.write(`\r\x1b[K${`  ${what}: ${seconds} s  ${last}`.slice(0, width)}`);
  };
  const timer = setInterval(draw, terminal ? 1000 : 15_000);
  return {
    end() {
      clearInterval(timer);
      if (terminal) process.stdout.write('\r\x1b[K');
    },
  };
}
