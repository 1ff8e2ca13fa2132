// dr witness
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { EXIT, Failure } from '../../domain/failures.ts';
import type { Call, CommandSpec } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';
import { table } from '../output/human.ts';
import { serve } from '../serve.ts';
import { answerOf } from '../worker-program.ts';

export const spec: CommandSpec = {
  name: 'witness',
  summary: 'look at the platform through its public name until told to stop; tell people of an outage, and plan',
  options: [{ flags: '--once', description: 'look once, show what answers, and end' }],
  examples: [
    ['dr witness', 'at the witness, under a supervisor'],
    ['dr witness --once', 'try the probes: exit code 0 when all of them are answered'],
  ],
  notes: `It looks at what witness.probes names. One outage is one alarm, however often the platform comes and goes: it has
ended when everything answers for as long as witness.clean says. The alarm names the next command; the plan of a failover
is made at once and told too. It never starts a failover: a person does.
Run it under a supervisor (systemd, docker), once for each platform. Started again, it says nothing twice.`,
  run,
};

async function run(call: Call): Promise<number> {
  const { file, configuration } = await loadConfiguration(call);
  if (configuration.witness.probes.length === 0)
    throw new Failure('USAGE', `'${file}' names nothing to look at`, { mend: 'name it in witness.probes' });
  if (call.options.flag('once')) return lookOnce(call, file);
  const answer = (asked: unknown) => planFor(call, (asked as { readonly planFor: string }).planFor);
  return serve('witness', ['--config', file], { answer });
}

/** What was seen by one probe. */
interface Seen {
  readonly probe: string;
  readonly isWell: boolean;
  readonly words: string;
}

async function lookOnce({ output }: Call, file: string): Promise<number> {
  const seen = await answerOf<readonly Seen[]>('witness', ['--config', file, '--once']);
  const columns = [
    { title: '', value: ({ isWell }: Seen) => (isWell ? 'ok' : 'FAILED') },
    { title: 'PROBE', value: ({ probe }: Seen) => probe },
    { title: 'WHAT IT SAYS', value: ({ words }: Seen) => words },
  ];
  output.answer(table(columns, seen), seen);
  return seen.every(({ isWell }) => isWell) ? EXIT.done : EXIT.failed;
}

const DR = fileURLToPath(new URL('../dr.mjs', import.meta.url));
const PLAN_WITHIN_MS = 300_000;

// What a person would type next, with the words that this command was given; where nothing was proven yet, of what is
// stored, as its advice says.
async function planFor({ options }: Call, site: string): Promise<PlanEnd> {
  const named = options.text('config');
  const words = ['failover', 'plan', '--to', site, '--json', ...(named === undefined ? [] : ['--config', named])];
  const end = await planned(words);
  return end.stdout.includes('"BACKUP_NOT_FOUND"') ? planned([...words, '--unproven']) : end;
}

interface PlanEnd {
  readonly status: number | null;
  readonly stdout: string;
}

async function planned(words: readonly string[]): Promise<PlanEnd> {
  const child = spawn(process.execPath, [DR, ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PLAN_WITHIN_MS,
  });
  const ended = new Promise<number | null>((resolve) =>
    child.once('error', () => resolve(null)).once('close', resolve),
  );
  const [stdout, status] = await Promise.all([text(child.stdout), ended]);
  return { status, stdout };
}
