// Every secret of a platform, and every place where none of them may be.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentsBelow, type Harness } from './harness.ts';

export interface Place {
  readonly file: string;
  readonly bytes: Buffer;
}

/** Names each place that holds a secret of the platform. @param more places and secrets besides the usual ones. */
export async function exposedSecrets(
  harness: Harness,
  more: { readonly places?: readonly Place[]; readonly secrets?: ReadonlyMap<string, string> } = {},
): Promise<readonly string[]> {
  const places = [...(await placesOf(harness)), ...(more.places ?? [])];
  const secrets = [...(await secretsOf(harness)), ...(more.secrets ?? [])];
  return secrets.flatMap(([name, secret]) =>
    places.filter(({ bytes }) => bytes.includes(secret)).map(({ file }) => `${name} in ${file}`),
  );
}

async function secretsOf({ platform }: Harness): Promise<ReadonlyMap<string, string>> {
  const { access, certificates } = platform.site;
  const keys = await contentsBelow(join(platform.directory, 'keys'));
  const pem = (text: string) => text.split('\n').at(2) ?? text;
  return new Map([
    ['PostgreSQL password', access.postgres.password],
    ['Redis password', access.redis.password],
    ['RabbitMQ password', access.rabbitmq.password],
    ...keys
      .filter(({ file }) => file.endsWith('.key'))
      .map(({ file, bytes }) => [`key ${file}`, pem(bytes.toString())] as const),
    ...(await Promise.all(
      certificates.map(async ({ key }) => [`TLS key ${key}`, pem(await readFile(key, 'utf8'))] as const),
    )),
  ]);
}

async function placesOf({ platform, workerLog }: Harness): Promise<readonly Place[]> {
  const below = (part: string) => contentsBelow(join(platform.directory, part));
  return [
    ...(await below('temporal')),
    ...(await below('witness')),
    ...(await below('repository')),
    ...(await below('s3')).filter(({ file }) => !/secret|access-key/.test(file)),
    { file: 'worker.log', bytes: await readFile(workerLog) },
  ];
}
