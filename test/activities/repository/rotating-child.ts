// Rotates every key of a repository until it is killed: `node rotating-child.ts CONFIGURATION WITNESS PLATFORM`.
import { readFileSync } from 'node:fs';
import { createRepository } from '../../../activities/repository/index.ts';

const [file = '', witnessDirectory = '', platform = ''] = process.argv.slice(2);
const { activities } = createRepository({
  platform,
  repository: JSON.parse(readFileSync(file, 'utf8')),
  witnessDirectory,
});
const { digest } = await activities.planKeyRotation({});
process.stdout.write('begins\n');
for (let after: number | null = 0; after !== null; )
  ({ after } = await activities.rotateKeys({ digest, after, most: 2 }));
await activities.removeRetiredKeys({});
