// Wanting the platform's name typed before something that cannot simply be done again.
import { createInterface } from 'node:readline/promises';
import { Failure } from '../domain/failures.ts';
import type { Call } from './command.ts';
import { visible } from './output/human.ts';

/** @throws {Failure} NOT_CONFIRMED unless `--confirm`, or the person at the terminal, gives the platform's name. */
export async function confirmPlatform({ options, output }: Call, platform: string, act: string): Promise<void> {
  const given = options.text('confirm') ?? (output.isInteractive ? await typed(act) : undefined);
  if (given === platform) return;
  throw new Failure('NOT_CONFIRMED', given === undefined ? `${act} was not confirmed` : notTheName(given));
}

/** @throws {Failure} NOT_CONFIRMED when a name was given and is wrong: that is known before anything is started. */
export function refuseWrongName(given: string | undefined, platform: string): void {
  if (given !== undefined && given !== platform) throw new Failure('NOT_CONFIRMED', notTheName(given));
}

const notTheName = (given: string): string => `'${visible(given)}' is not the platform's name`;

async function typed(act: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`Type the platform's name for ${act}: `)).trim();
  } finally {
    terminal.close();
  }
}
