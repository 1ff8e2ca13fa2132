// `npm run demo [-- --keep]`: the main job on real servers, from an empty folder to data that came back.
import { parseArgs } from 'node:util';
import { stopKept, writeKept } from './demo/keep.ts';
import { type Product, startProduct } from './demo/product.ts';
import { Screen, time } from './demo/screen.ts';
import { tellStory } from './demo/story.ts';
import { type RunningPlatform, startPlatform } from './platform.ts';

const HELP = `npm run demo                      start, load, back up, verify, destroy, restore, compare; leaves nothing behind
npm run demo -- --keep            leaves everything running
npm run demo -- --stop FOLDER     ends what --keep left, and removes its folder
npm run demo -- --scale 0.1       a tenth of the data`;

const screen = new Screen();

/** What is running, for the clean-up: it is filled as the demo goes on. */
interface Stage {
  platform: Promise<RunningPlatform> | null;
  product: Promise<Product> | null;
  /** True once the clean-up has begun: nothing may be started any more. */
  isClosing: boolean;
}

class Interrupted extends Error {}

process.exitCode = await main();
// Servers that were kept would hold this process.
process.exit();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      stop: { type: 'string' },
      scale: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) screen.line(HELP);
  else if (values.stop !== undefined) await stopKept(values.stop);
  else return demo(values.keep, Number(values.scale));
  return 0;
}

async function demo(keep: boolean, scale: number): Promise<number> {
  const started = Date.now();
  const stage: Stage = { platform: null, product: null, isClosing: false };
  const interrupted = interruption(); // Heard from before the first server starts.
  const telling = tell(stage, scale);
  for (const end of [interrupted, telling]) end.catch(() => undefined); // Whichever comes second has no reader.
  try {
    const good = await Promise.race([telling, interrupted]);
    screen.chapter(`${good ? 'Everything is back' : 'NOT everything is back'}, ${time(Date.now() - started)} in all`);
    if (keep) await leave(stage);
    else await cleanUp(stage);
    return good ? 0 : 1;
  } catch (error) {
    screen.chapter(error instanceof Interrupted ? 'Interrupted' : `Stopped: ${(error as Error).message}`);
    await cleanUp(stage);
    return error instanceof Interrupted ? 130 : 1;
  }
}

async function tell(stage: Stage, scale: number): Promise<boolean> {
  screen.chapter('Start a platform: Temporal, S3, PostgreSQL, Redis, RabbitMQ');
  const started = Date.now();
  const temporalAddress = process.env.TEMPORAL_ADDRESS || undefined;
  stage.platform = startPlatform({
    temporalAddress,
    onPart: (part) => screen.good(`${part} after ${time(Date.now() - started)}`),
  });
  const platform = await stage.platform;
  if (stage.isClosing) throw new Interrupted();
  stage.product = startProduct(platform);
  const product = await stage.product;
  screen.good(`worker after ${time(Date.now() - started)}`);
  screen.line(`  everything is below ${platform.directory}`);
  screen.line(`  Temporal's Web UI: ${platform.temporal.uiUrl ?? `that of ${temporalAddress}`}`);
  return tellStory({ platform, product, screen, scale });
}

/** Rejects at Ctrl-C or a wish to end; further ones are heard and wait for the clean-up. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => reject(new Interrupted()));
  });
}

async function cleanUp(stage: Stage): Promise<void> {
  stage.isClosing = true;
  screen.line('  stopping everything and removing its folder');
  const product = await stage.product?.catch(() => null);
  await product?.stop();
  const platform = await stage.platform?.catch(() => null);
  await platform?.remove();
}

async function leave(stage: Stage): Promise<void> {
  const [platform, product] = await Promise.all([stage.platform, stage.product]);
  if (platform === null || product === null) return;
  await writeKept(platform, product.workerPid);
  screen.line(`  still running, Web UI ${platform.temporal.uiUrl ?? 'as before'}`);
  screen.line(`  try:  export HOLDFAST_CONFIG=${platform.configurationFile}`);
  screen.line('        node client/dr.mjs backups list');
  screen.line(`  end:  npm run demo -- --stop ${platform.directory}`);
}
