// The configuration of an imagined agent platform: what a site's `config` backup protects.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Patterns of the configuration below the folder. */
export const CONFIG_PATTERNS = ['**/*.env', '**/.env', '**/*.yaml', '**/*.json', '**/*.conf'];

const FILES: Readonly<Record<string, string>> = {
  '.env': 'PLATFORM=demo\nLOG_LEVEL=info\nSESSION_TTL_SECONDS=1800\nDATABASE_PASSWORD=not-the-real-one\n',
  'orchestrator/.env': 'QUEUE_PREFETCH=32\nMODEL_KEY=also-not-real\nRETRY_LIMIT=5\n',
  'orchestrator/agents.yaml':
    'agents:\n  - name: planner\n    concurrency: 4\n  - name: writer\n    concurrency: 8\n  - name: reviewer\n    concurrency: 2\n',
  'gateway/routes.json': `${JSON.stringify({ '/api': 'orchestrator:8080', '/health': 'gateway:9090' }, null, 2)}\n`,
  'gateway/limits.conf': 'requests_per_second = 200\nburst = 400\n',
  'names/with space and ünïcode.yaml': 'kept: true\n',
};

/** Writes the folder (0700) and its files (0600). */
export async function writeConfigFolder(directory: string): Promise<void> {
  for (const [name, content] of Object.entries(FILES)) {
    const file = join(directory, name);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, content, { mode: 0o600 });
  }
}
