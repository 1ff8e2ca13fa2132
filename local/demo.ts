// `npm run demo [-- backup|failover] [-- --keep]`, on real servers, from an empty folder: the main job, until all data came
// back; then a site that dies under a live load, another one that takes over, and the way back. Or one half alone.
import { parseArgs } from 'node:util';
import { tellFailover } from './demo/failover/story.ts';
import { stopKept, writeKept } from './demo/keep.ts';
import { startProduct } from './demo/product.ts';
import { Interrupted, Running } from './demo/running.ts';
import { Screen, time } from './demo/screen.ts';
import { tellStory } from './demo/story.ts';
import { type RunningPlatform, startPlatform } from './platform.ts';

const HELP = `npm run demo                      both of these, one after the other; leaves nothing behind
npm run demo -- backup            start, load, back up, verify, destroy, restore, compare
npm run demo -- failover          two sites under a live load: west is killed, east takes over, west comes back
npm run demo -- --keep            leaves what ran last running
npm run demo -- --stop FOLDER     ends what --keep left, and removes its folder
npm run demo -- --scale 0.1       a tenth of the data (default: 1; of the failover 0.2)`;

const screen = new Screen();

/** How a demo ended, and how it is left running. */
interface End {
  readonly good: boolean;
  readonly platform: RunningPlatform;
  /** Writes down what stopping it later takes. */
  keep(): Promise<void>;
}

const TELLINGS = new Map<string, Telling>([
  ['both', tellBoth],
  ['backup', tellMain],
  ['failover', tellTakeover],
]);

process.exitCode = await main();
// Servers that were kept would hold this process.
process.exit();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: 'boolean', default: false },
      stop: { type: 'string' },
      scale: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [which = 'both', ...more] = positionals;
  const tell = TELLINGS.get(which) ?? null;
  if (values.help || tell === null || more.length > 0) screen.line(HELP);
  else if (values.stop !== undefined) await stopKept(values.stop);
  else return demo(tell, values.keep, values.scale === undefined ? undefined : Number(values.scale));
  return values.help || tell !== null ? 0 : 2;
}

type Telling = (running: Running, scale?: number) => Promise<End>;

async function demo(tell: Telling, keep: boolean, scale: number | undefined): Promise<number> {
  const started = Date.now();
  const running = new Running();
  const interrupted = interruption(); // Heard from before the first server starts.
  const telling = tell(running, scale);
  for (const end of [interrupted, telling]) end.catch(() => undefined); // Whichever comes second has no reader.
  try {
    const end = await Promise.race([telling, interrupted]);
    screen.chapter(
      `${end.good ? 'Everything is back' : 'NOT everything is back'}, ${time(Date.now() - started)} in all`,
    );
    if (keep) await leave(end);
    else await cleanUp(running);
    return end.good ? 0 : 1;
  } catch (error) {
    screen.chapter(error instanceof Interrupted ? 'Interrupted' : `Stopped: ${(error as Error).message}`);
    await cleanUp(running);
    return error instanceof Interrupted ? 130 : 1;
  }
}

async function tellBoth(running: Running, scale?: number): Promise<End> {
  const first = await running.add(async () => {
    const half = new Running();
    return { half, stop: () => half.close() };
  });
  const { good } = await tellMain(first.half, scale);
  screen.chapter('The second half: a site is lost. The first platform goes');
  await first.stop();
  const end = await tellTakeover(running, scale);
  return { ...end, good: good && end.good };
}

async function tellMain(running: Running, scale = 1): Promise<End> {
  screen.chapter('Start a platform: Temporal, S3, PostgreSQL, Redis, RabbitMQ');
  const started = Date.now();
  const temporalAddress = process.env.TEMPORAL_ADDRESS || undefined;
  const platform = await running.add(async () => {
    const onPart = (part: string) => screen.good(`${part} after ${time(Date.now() - started)}`);
    const own = await startPlatform({ temporalAddress, onPart });
    return { ...own, stop: () => own.remove() };
  });
  const product = await running.add(() => startProduct(platform));
  screen.good(`worker after ${time(Date.now() - started)}`);
  screen.line(`  everything is below ${platform.directory}`);
  screen.line(`  Temporal's Web UI: ${platform.temporal.uiUrl ?? `that of ${temporalAddress}`}`);
  const good = await tellStory({ platform, product, screen, scale });
  return { good, platform, keep: () => writeKept(platform, [product.workerPid]) };
}

async function tellTakeover(running: Running, scale = 0.2): Promise<End> {
  const { stage, good } = await tellFailover({ running, screen, scale });
  const { platform, west, westPids, otherPids } = stage;
  return { good, platform, keep: () => writeKept(platform, [...westPids, ...otherPids], [west]) };
}

/** Rejects at Ctrl-C or a wish to end; further ones are heard and wait for the clean-up. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => reject(new Interrupted()));
  });
}

async function cleanUp(running: Running): Promise<void> {
  screen.line('  stopping everything and removing its folder');
  await running.close();
}

async function leave({ platform, keep }: End): Promise<void> {
  await keep();
  screen.line(`  still running, Web UI ${platform.temporal.uiUrl ?? 'as before'}`);
  screen.line(`  try:  export HOLDFAST_CONFIG=${platform.configurationFile}`);
  screen.line('        node client/dr.mjs backups list');
  screen.line(`  end:  npm run demo -- --stop ${platform.directory}`);
}
