// `npm run record:histories`: runs every recorded story on a real Temporal server and keeps its history. To be run when a
// release is made; what earlier releases left open must still replay, so a file that is there is never written again
// unless its name is given.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { LawCourt } from './law-world.ts';
import { openCourt } from './law-world.ts';
import { encodeHistory } from './recorded-history.ts';
import { RECORDED_STORIES, type RecordedStory } from './recorded-stories.ts';

const FOLDER = fileURLToPath(new URL('histories/', import.meta.url));
const names = process.argv.slice(2);
const isWanted = ({ name }: RecordedStory) =>
  names.length > 0 ? names.includes(name) : !existsSync(`${FOLDER}${name}.history.gz`);

async function record(court: LawCourt, { name, workflow, input, prepare, during }: RecordedStory): Promise<void> {
  const world = await prepare();
  await court.within(world, async () => {
    const handle = await court.start(workflow, input);
    await during?.(handle, world);
    const ending = await handle.result().then(
      () => 'succeeded',
      () => 'failed',
    );
    await writeFile(`${FOLDER}${name}.history.gz`, encodeHistory(await handle.fetchHistory()));
    process.stdout.write(`${name}: ${ending}\n`);
  });
}

await mkdir(FOLDER, { recursive: true });
const court = await openCourt();
for (const story of RECORDED_STORIES.filter(isWanted)) await record(court, story);
await court.close();
