// Stores one file in a tier until it is killed: `node uploading-child.ts TIER NAME FILE`, the last two as JSON.
import { openS3Store } from '../../../activities/repository/s3-store.ts';

const [tier = '', name = '', file = ''] = process.argv.slice(2);
await openS3Store('away', JSON.parse(tier)).createFromFile(name, JSON.parse(file), () => undefined);
