// A real S3 server (versitygw) on a free port of this machine, for the demo and the tests.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CreateBucketCommand, ListBucketsCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import type { MadeCertificate } from './certificates.ts';
import { freePort, type RunningServer, startServer } from './servers.ts';

export interface LocalS3 extends RunningServer {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Makes a bucket where it is absent. `versioned` keeps every version of an object. */
  createBucket(name: string, options?: { readonly versioned?: boolean }): Promise<void>;
}

export interface LocalS3Options {
  /** Absolute folder that holds the objects, the old versions and the log. */
  readonly directory: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly port?: number;
  /** Accounts beside the owner; a bucket's policy says what they may. */
  readonly accounts?: readonly { readonly accessKeyId: string; readonly secretAccessKey: string }[];
  /** With it the server speaks TLS alone, under the name `localhost`. */
  readonly certificate?: MadeCertificate;
}

/** Where versitygw is: on PATH, or where the installer puts what it built. Undefined when it is not there. */
export function findVersitygw(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(homedir(), '.cache', 'holdfast', 'bin')];
  return folders.map((folder) => join(folder, 'versitygw')).find((path) => existsSync(path));
}

/** Starts versitygw over a folder and waits until it answers. */
export async function startS3(options: LocalS3Options): Promise<LocalS3> {
  const { directory, accessKeyId = 'local-access', secretAccessKey = 'local-secret-key' } = options;
  const command = findVersitygw();
  if (command === undefined)
    throw new Error('versitygw is not on this machine: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0');
  const [objects, versions] = [join(directory, 'objects'), join(directory, 'versions')];
  for (const folder of [objects, versions]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const port = options.port ?? (await freePort());
  const { certificate } = options;
  const endpoint = certificate ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  const region = 'us-east-1';
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    ...(certificate ? { requestHandler: { httpsAgent: { ca: readFileSync(certificate.chain) } } } : {}),
  });
  const listen = [
    ...['--port', `127.0.0.1:${port}`],
    ...(certificate ? ['--cert', certificate.certificate, '--key', certificate.key] : []),
  ];
  const server = await startServer({
    name: 's3',
    command,
    args: [
      ...listen,
      ...accountsIn(directory, options.accounts ?? []),
      '--quiet',
      'posix',
      '--versioning-dir',
      versions,
      objects,
    ],
    env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    cwd: directory,
    logFile: join(directory, 's3.log'),
    ready: () => client.send(new ListBucketsCommand({})),
  });
  const stop = async (signal?: NodeJS.Signals) => {
    client.destroy();
    await server.stop(signal);
  };
  return {
    ...server,
    stop,
    endpoint,
    region,
    accessKeyId,
    secretAccessKey,
    createBucket: (name, choice) => createBucket(client, name, choice?.versioned ?? false),
  };
}

function accountsIn(directory: string, accounts: NonNullable<LocalS3Options['accounts']>): readonly string[] {
  if (accounts.length === 0) return [];
  const folder = join(directory, 'accounts');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ofServer = accounts.map(({ accessKeyId: access, secretAccessKey: secret }) => [
    access,
    { access, secret, role: 'user' },
  ]);
  const text = JSON.stringify({ accessAccounts: Object.fromEntries(ofServer) });
  writeFileSync(join(folder, 'users.json'), text, { mode: 0o600 });
  return ['--iam-dir', folder];
}

async function createBucket(client: S3Client, name: string, versioned: boolean): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: name })).catch((error: Error) => {
    if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
  });
  if (!versioned) return;
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
}
