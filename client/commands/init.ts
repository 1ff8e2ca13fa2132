// dr init
import { mkdir } from 'node:fs/promises';
import { basename, isAbsolute, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import { problemLine } from '../../domain/configuration/problem.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import type { Call, CommandSpec } from '../command.ts';
import {
  keyFile,
  keyNames,
  type NewPlatform,
  newConfiguration,
  publicKeyFile,
  secretFile,
} from '../new-configuration.ts';
import { writeNewFiles } from '../new-files.ts';
import { makeRecipient, makeSigner } from '../platform-keys.ts';
import { describeStores } from '../platform-urls.ts';
import { s3Settings } from '../s3-address.ts';

export const spec: CommandSpec = {
  name: 'init',
  summary: 'describe a platform: write holdfast.yaml, the keys, and a file for each secret',
  options: [
    {
      flags: '--from-urls <address...>',
      description:
        'postgres://, redis://, amqp:// addresses of the stores; - reads them from standard input, a line each',
    },
    { flags: '--directory <dir>', description: 'where holdfast.yaml, keys and secrets go', default: '.' },
    { flags: '--data <dir>', description: 'where spool, work, witness and the local tier go (default: DIR/data)' },
    { flags: '--platform <name>', description: "the platform's name (default: the folder's)" },
    { flags: '--config-root <dir>', description: 'folder of the configuration files to protect' },
    {
      flags: '--pattern <glob>',
      description: 'which files below it (may be repeated; default: **/.env and **/*.env)',
      repeatable: true,
    },
    { flags: '--tls <cert:key>', description: 'certificate and key to protect (may be repeated)', repeatable: true },
    {
      flags: '--s3 <address>',
      description:
        's3://BUCKET[/PREFIX/][?region=…&endpoint=…]; the account is read from $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY',
    },
  ],
  examples: [
    ['dr init --from-urls - < addresses.txt', 'describe an existing platform; passwords go into secret files'],
    ["dr init --from-urls 'postgres://dr:${env:PGPASSWORD}@db/' redis://cache", 'passwords stay in the environment'],
    ['dr init --directory /etc/holdfast --data /var/lib/holdfast', 'a file to fill in by hand'],
  ],
  exits: ['warnings', 'refused'],
  notes:
    'Nothing is ever overwritten. A password on the command line is refused: other users of the machine can read it.',
  run,
};

async function run(call: Call): Promise<number> {
  const platform = await describePlatform(call);
  const configuration = newConfiguration(platform);
  const file = `${platform.directory}/holdfast.yaml`;
  const problems = requireSound(platform, file, configuration);
  const files = new Map([[file, configuration], ...secretsOf(platform)]);
  const { recipients, signer } = keyNames(platform);
  const pairs = await Promise.all([...recipients.map(makeRecipient), makeSigner(signer)]);
  for (const { name, publicKey, privateKey } of pairs) {
    files.set(publicKeyFile(platform.directory, name), publicKey);
    files.set(keyFile(platform.directory, name), privateKey);
  }
  await writeNewFiles(files);
  for (const name of ['spool', 'work', 'witness', 'backups']) {
    await mkdir(`${platform.data}/${name}`, { recursive: true, mode: 0o700 });
  }
  const warnings = problems.map((problem) => problemLine(file, problem));
  call.output.answer(nextSteps(platform, [...files.keys()], warnings), { files: [...files.keys()], warnings });
  return warnings.length > 0 ? EXIT.warnings : EXIT.done;
}

async function describePlatform({ options }: Call): Promise<NewPlatform> {
  const directory = resolve(options.text('directory') ?? '.');
  const addresses = options.list('fromUrls');
  const fromInput = addresses.length === 1 && addresses[0] === '-';
  const given = fromInput ? linesOf(await text(process.stdin)) : addresses;
  if (fromInput && given.length === 0) throw new Failure('USAGE', 'standard input holds no address');
  const root = options.text('configRoot');
  const patterns = options.list('pattern');
  return {
    platform: options.text('platform') ?? slugOf(basename(directory)),
    site: options.text('site') ?? 'main',
    directory,
    data: resolve(options.text('data') ?? `${directory}/data`),
    stores: describeStores(given, fromInput ? 'input' : 'arguments'),
    config:
      root === undefined
        ? null
        : { root: resolve(root), patterns: patterns.length > 0 ? patterns : ['**/.env', '**/*.env'] },
    certificates: options.list('tls').map(certificateOf),
    s3: options.text('s3') === undefined ? null : s3Settings(options.text('s3') ?? ''),
  };
}

const linesOf = (input: string): string[] =>
  input
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

function slugOf(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '');
  return slug === '' ? 'platform' : slug.slice(0, 40);
}

function certificateOf(word: string): { certificate: string; key: string } {
  const [certificate = '', key = '', ...rest] = word.split(':');
  if (certificate === '' || key === '' || rest.length > 0)
    throw new Failure('USAGE', `'${word}' is not CERTIFICATE:KEY`);
  return { certificate: resolve(certificate), key: resolve(key) };
}

const secretsOf = ({ directory, stores }: NewPlatform): [string, string][] =>
  stores.flatMap(({ system, password }): [string, string][] =>
    password === null ? [] : [[secretFile(directory, system), `${password}\n`]],
  );

// What is written must pass our own checks. A platform without a store yet is a file to fill in.
function requireSound({ stores, config, certificates }: NewPlatform, file: string, configuration: string) {
  const { problems } = parseConfiguration(configuration);
  const isEmpty = stores.length === 0 && config === null && certificates.length === 0;
  const errors = problems.filter(({ level }) => level === 'error');
  if (errors.length > 0 && !isEmpty) {
    throw new Failure('USAGE', errors.map((problem) => problemLine(file, problem)).join('\n'));
  }
  return problems;
}

function nextSteps({ directory, stores }: NewPlatform, files: readonly string[], warnings: readonly string[]): string {
  const escrow = keyFile(directory, 'escrow');
  const place = isAbsolute(directory) && directory !== process.cwd() ? ` --config ${directory}/holdfast.yaml` : '';
  return [
    ...files.map((path) => `wrote  ${path}`),
    ...warnings,
    '',
    `1. Take the escrow key offline NOW: copy ${escrow} to two places that are not on these machines, then run`,
    `   shred -u ${escrow}`,
    '   Whoever holds it can open every backup when all else is lost; nothing here needs it.',
    `   Put a copy of ${publicKeyFile(directory, 'witness')} beside it: 'dr rebuild' tells your repository from a forged one by it.`,
    stores.length === 0 ? `2. Name your stores in ${directory}/holdfast.yaml` : `2. Look at ${directory}/holdfast.yaml`,
    `3. dr doctor${place}`,
    `4. dr worker${place} (in another terminal), then: dr backup --all${place}`,
  ].join('\n');
}
