// The `dr` command: load the module that was called, run it, turn its end into an exit code.
import { COMMANDS } from './command-table.ts';
import { reportFailure } from './failure-report.ts';
import { Output } from './output/output.ts';
import { makeProgram } from './program.ts';

const output = new Output();
const words = process.argv.slice(2);
output.useJson(words.includes('--json'));

// A reader that stops early (`dr … | head`) is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  const called = COMMANDS.find(({ name }) => name === words.find((word) => !word.startsWith('-')));
  const loaded = await called?.load();
  const finish = (code: number) => {
    process.exitCode = code;
  };
  await makeProgram(COMMANDS, loaded?.spec, { output, finish }).parseAsync(words, { from: 'user' });
} catch (error) {
  process.exitCode = reportFailure(error, output);
}
