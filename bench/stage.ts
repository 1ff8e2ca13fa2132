// The platform that everything is measured on: real servers, the product as its user runs it, and a second S3 server that
// speaks TLS, because pgBackRest knows no other way and all contenders shall pay for the same.
import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { makeCertificates } from '../local/certificates.ts';
import { type Answer, type Product, startProduct } from '../local/demo/product.ts';
import { makePassage } from '../local/folders.ts';
import { type ConfigurationInput, type RunningPlatform, startPlatform } from '../local/platform.ts';
import { type LocalS3, startS3 } from '../local/s3.ts';
import { storeUser } from '../local/servers.ts';

const run = promisify(execFile);

export interface Stage {
  readonly directory: string;
  readonly platform: RunningPlatform;
  /** The worker that serves now, and `dr`. */
  readonly product: Product;
  readonly s3: LocalS3;
  /** The certificate that clients of the S3 server must trust. */
  readonly authority: string;
  /** Replaces the worker by one that has done nothing yet. */
  replaceWorker(): Promise<void>;
  /** Runs the product's command and returns its JSON answer and its seconds. */
  dr<T>(...words: string[]): Promise<Answer<T>>;
  /** The result of a finished workflow. */
  resultOf<T>(workflowId: string): Promise<T>;
  /** A new folder that belongs to the stores' user. */
  storeFolder(name: string): Promise<string>;
  close(): Promise<void>;
}

export const S3_BUCKET = 'holdfast-bench';

/** Starts everything. @throws when a part cannot start; nothing is left then. */
export async function openStage(onPart: (part: string) => void): Promise<Stage> {
  // Short: the sockets of scratch servers lie far below it, and a socket's path has room for 107 bytes.
  const directory = await mkdtemp(join(tmpdir(), 'hf-bench-'));
  await makePassage(directory);
  const socket = join(directory, 'socket');
  await storeFolder(socket);
  const platform = await startPlatform({ directory, onPart, postgresSettings: postgresSettings(socket) });
  const opened: { stop(): Promise<void> }[] = [];
  const close = async () => {
    for (const one of opened.reverse()) await one.stop();
    await platform.remove();
  };
  try {
    const [certificate] = await makeCertificates(join(directory, 's3-tls'), ['s3']);
    if (certificate === undefined) throw new Error('no certificate was made');
    const s3 = await startS3({ directory: join(directory, 's3-tls'), certificate });
    opened.push(s3);
    await s3.createBucket(S3_BUCKET);
    await moveTier(platform, s3);
    process.env.NODE_EXTRA_CA_CERTS = certificate.chain; // The worker inherits it.
    let product = await startProduct(platform, false);
    opened.push({ stop: () => product.stop() });
    const connection = await Connection.connect({ address: platform.temporal.address });
    opened.push({ stop: () => connection.close() });
    const client = new Client({ connection });
    return {
      ...{ directory, platform, s3, close },
      authority: certificate.chain,
      get product() {
        return product;
      },
      replaceWorker: async () => {
        await product.stop();
        product = await startProduct(platform, false);
      },
      dr: (...words) => product.dr(words),
      resultOf: (id) => client.workflow.getHandle(id).result(),
      storeFolder: (name) => storeFolder(join(directory, name)),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

// The demo's server never flushes and has little memory: neither is what a backup is measured on.
const postgresSettings = (socket: string) => ({
  unix_socket_directories: socket,
  fsync: 'on',
  shared_buffers: '128MB',
  max_wal_size: '4GB',
});

async function moveTier(platform: RunningPlatform, s3: LocalS3): Promise<void> {
  const { configuration, configurationFile, directory } = platform;
  const secret = async (name: string, value: string) => {
    const file = join(directory, 's3-tls', name);
    await writeFile(file, value, { mode: 0o600 });
    return `\${file:${file}}`;
  };
  const tier = {
    ...{ kind: 's3' as const, bucket: S3_BUCKET, region: s3.region, endpoint: s3.endpoint },
    accessKeyId: await secret('access-key-id', s3.accessKeyId),
    secretAccessKey: await secret('secret-access-key', s3.secretAccessKey),
  };
  const tiers = { ...configuration.repository.tiers, s3: tier };
  const changed: ConfigurationInput = { ...configuration, repository: { ...configuration.repository, tiers } };
  await writeFile(configurationFile, stringify(changed, { aliasDuplicateObjects: false }), { mode: 0o600 });
}

async function storeFolder(path: string): Promise<string> {
  const user = storeUser();
  const owner = user === undefined ? [] : [`--owner=${user}`, `--group=${user}`];
  await run('install', ['--directory', '--mode=0700', ...owner, path]);
  return path;
}
