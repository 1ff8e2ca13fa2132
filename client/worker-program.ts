// Programs of the composition root that look on this machine, without Temporal and without a worker: only it may touch
// activities. They answer with JSON on standard output.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { AskFailure } from '../domain/contracts/questions.ts';
import { Failure } from '../domain/failures.ts';

interface ProgramEnd {
  readonly answer: string;
  /** What it wrote to standard error. */
  readonly words: string;
  readonly status: number | null;
}

/** Runs a program of workers/ to its end. */
async function runProgram(
  name: 'ask' | 'doctor' | 'rebuild' | 'status' | 'witness',
  args: readonly string[],
): Promise<ProgramEnd> {
  const file = fileURLToPath(new URL(`../workers/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [answer, words, status] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { answer, words, status };
}

/** What a program that always answers says. @throws {Failure} BUG when it does not. */
export async function answerOf<T>(name: 'doctor' | 'status' | 'witness', args: readonly string[]): Promise<T> {
  const { answer, words, status } = await runProgram(name, args);
  if (status === 0) return JSON.parse(answer) as T;
  throw new Failure('BUG', `the examination ended with status ${status}: ${words.trim().slice(-2000)}`);
}

/** What a program says that may fail. @throws {Failure} what it failed with, TOOL_FAILED when it says nothing. */
export async function askProgram<T>(name: 'ask' | 'rebuild', args: readonly string[]): Promise<T> {
  const { answer, words, status } = await runProgram(name, args);
  if (status === 0) return JSON.parse(answer) as T;
  if (answer.trim() === '') throw new Failure('TOOL_FAILED', `there was no answer: ${words.trim().slice(-2000)}`);
  const { code, message, details } = (JSON.parse(answer) as AskFailure).failure;
  throw new Failure(code, message, details);
}
