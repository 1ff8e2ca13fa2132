// A store of a newer release in a container: an image made from the release's own root, run by podman on the machine's
// network, with folders of this machine as its volumes. Needs `node local/install.mjs current`.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { currentRoot } from './programs.ts';

const run = promisify(execFile);

/** crun, systemd's groups and the default limits are not to be had on every machine that tests run on. */
const PODMAN = ['podman', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'] as const;
const LIMITS = ['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=1024:1024'];
const IMAGE = 'localhost/holdfast-stores';

export interface ContainerSpec {
  readonly name: string;
  /** Numeric user and group, `103:110`. */
  readonly user: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder here → folder inside. */
  readonly volumes: Readonly<Record<string, string>>;
}

export interface RunningContainer {
  readonly exec: readonly string[];
  readonly service: { readonly stop: string[]; readonly start: string[] };
  readonly freeze: { readonly method: 'hook'; readonly freeze: string[]; readonly thaw: string[] };
  /** Ends and removes it, running or not. */
  remove(): Promise<void>;
}

/** Starts a container and returns as soon as its first process runs. */
export async function startContainer(spec: ContainerSpec): Promise<RunningContainer> {
  await makeImage();
  const { name } = spec;
  const words = (option: string, values: Readonly<Record<string, string>>, between: string) =>
    Object.entries(values).flatMap(([from, to]) => [option, `${from}${between}${to}`]);
  await podman(
    'run',
    '--detach',
    '--name',
    name,
    '--network',
    'host',
    '--user',
    spec.user,
    ...LIMITS,
    ...[
      ...words('--env', spec.environment ?? {}, '='),
      ...words('--volume', spec.volumes, ':'),
      IMAGE,
      ...spec.command,
    ],
  );
  const argv = (...args: string[]) => [...PODMAN, ...args, name];
  return {
    exec: argv('exec', '--interactive'),
    service: { stop: argv('stop', '--time', '60'), start: argv('start') },
    freeze: { method: 'hook', freeze: argv('pause'), thaw: argv('unpause') },
    remove: () => podman('rm', '--force', '--time', '5', '--volumes', name),
  };
}

async function podman(...args: readonly string[]): Promise<void> {
  await run(PODMAN[0], [...PODMAN.slice(1), ...args]);
}

// Made once; the root never changes without another recipe.
async function makeImage(): Promise<void> {
  const there = await podman('image', 'exists', IMAGE).then(
    () => true,
    () => false,
  );
  if (there) return;
  const root = currentRoot();
  // Constant but for two paths, which reach the shell as arguments.
  const script = 'tar -C "$1" -c . | podman import - "$2"';
  await run('sh', ['-c', script, 'sh', root, IMAGE], { maxBuffer: 64 * 1024 * 1024 });
}
