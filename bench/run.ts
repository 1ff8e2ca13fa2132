// `npm run bench [-- NAME…] [--runs N] [--small]`: measures the figures that docs/BENCHMARKS.md explains.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type MeasuredFigure, measuredFigures, mergeInto, type Session } from './document.ts';
import { chosenMeasurements, type MeasurementName } from './figures.ts';
import { describeMachine, describeVersions, type Machine } from './machine.ts';
import type { Bench } from './measurement.ts';
import { measureCommand } from './measurements/command.ts';
import { measureEmptyPlatform } from './measurements/empty-platform.ts';
import { measurePostgresSpeed } from './measurements/postgres-speed.ts';
import { measureRabbitmqSpeed } from './measurements/rabbitmq-speed.ts';
import { measureRedisSpeed } from './measurements/redis-speed.ts';
import { measureStatusSpeed } from './measurements/status-speed.ts';
import { measureWorkerMemory } from './measurements/worker-memory.ts';
import { Samples } from './samples.ts';
import { openStage } from './stage.ts';
import { apartTable, figureTable } from './table.ts';

const LATEST = fileURLToPath(new URL('./latest.json', import.meta.url));
const FEWEST_RUNS = 5;

const HELP = `npm run bench                     every figure, medians of 5; merges them into bench/latest.json
npm run bench -- NAME…            some measurements: command, empty-platform, memory, physical, redis, rabbitmq, status,
                                  or those of some figures
npm run bench -- --runs 9         more runs; with fewer than 5 nothing is written
npm run bench -- --small          a hundredth of the data, to see that it works; its values mean nothing
npm run bench -- --out FILE       merges into another document`;

// In this order: the platform is empty at first.
const MEASUREMENTS: Readonly<Record<MeasurementName, (bench: Bench) => Promise<void>>> = {
  command: measureCommand,
  'empty-platform': measureEmptyPlatform,
  memory: measureWorkerMemory,
  physical: measurePostgresSpeed,
  redis: measureRedisSpeed,
  rabbitmq: measureRabbitmqSpeed,
  status: measureStatusSpeed,
};

const say = (line: string) => void process.stdout.write(`${line}\n`);

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
// Servers that could not be ended would hold this process.
process.exit();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: String(FEWEST_RUNS) },
      small: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const chosen = chosenMeasurements(positionals);
  const runs = Number(values.runs);
  const { figures, measurements, failed } = await measure(chosen, { runs, small: values.small });
  // A part of the data, or fewer runs, is not what the project claims.
  const isClaim = !values.small && runs >= FEWEST_RUNS;
  const file = values.out ?? (isClaim ? LATEST : null);
  if (file !== null) await mergeInto(file, { figures, measurements }, chosen);
  const missed = values.small ? [] : figures.filter(({ value, bar }) => !(value <= bar));
  for (const name of failed) say(`NOT MEASURED: ${name}`);
  return missed.length === 0 && failed.length === 0 ? 0 : 1;
}

type Size = Pick<Bench, 'runs' | 'small'>;

// One measurement that fails takes nothing from the others.
async function measure(chosen: ReadonlySet<MeasurementName>, size: Size) {
  const [startedAt, machine, versions] = [Date.now(), await describeMachine(), await describeVersions()];
  const stage = await openStage((part) => say(`  started ${part}`));
  const figures: MeasuredFigure[] = [];
  const measurements: Partial<Record<MeasurementName, Session>> = {};
  const failed: MeasurementName[] = [];
  try {
    for (const name of (Object.keys(MEASUREMENTS) as MeasurementName[]).filter((one) => chosen.has(one)))
      try {
        const bench = { stage, samples: new Samples(), ...size, say: (line: string) => say(`  ${line}`) };
        const session = await measureOne(name, bench);
        figures.push(...measuredFigures(name, bench.samples));
        measurements[name] = { ...session, machine, versions };
      } catch (error) {
        failed.push(name);
        say(`${name} failed: ${error instanceof Error ? error.message : error}`);
      }
  } finally {
    await stage.close();
  }
  say(`\n${figureTable(figures)}\n`);
  for (const [name, { apart }] of Object.entries(measurements))
    if (Object.keys(apart).length > 0) say(`Shown apart by ${name}:\n${apartTable(apart)}\n`);
  tellMachine(machine, versions);
  say(`${Math.round((Date.now() - startedAt) / 1000)} s`);
  return { figures, measurements, failed };
}

async function measureOne(name: MeasurementName, bench: Bench) {
  const startedAt = Date.now();
  say(`${name}: ${bench.runs} runs`);
  await MEASUREMENTS[name](bench);
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  return { measuredAt: new Date(startedAt).toISOString(), seconds, apart: bench.samples.toldApart() };
}

function tellMachine(machine: Machine, versions: Session['versions']): void {
  const { processor, cores, memoryMib, system, loadBefore } = machine;
  say(`${processor}, ${cores} cores, ${memoryMib} MiB, ${system}; load before: ${loadBefore}`);
  say(
    Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', '),
  );
}
