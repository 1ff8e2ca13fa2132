// Where a base backup is restored in place: the data folder and the tablespaces' folders of the live server, who it is,
// and whether the backup may and can be put there.
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { Failure } from '../../domain/failures.ts';
import { runTool } from '../shared/run-tool.ts';
import { liveReach, withSession } from './connection.ts';
import { type Layout, layoutOf, RESTORED_MARK } from './data-folder.ts';
import type { Service } from './live-service.ts';
import { majorOf, oneOf } from './read-stored.ts';
import { type RestoreContext, refuseOther, refuseVersion, requireLive } from './restore-context.ts';
import { folderIdentity } from './server-process.ts';
import { findTools, type Tools, toolMajor } from './tools.ts';
import { tablespacesOf } from './unpack-base.ts';
import { openChain } from './unpack-chain.ts';

export interface Place {
  readonly layout: Layout;
  /** One for each tablespace of the backup beside the cluster's own two, with its number. */
  readonly spaces: readonly { readonly oid: string; readonly layout: Layout; readonly bytes: number }[];
  readonly service: Service;
  readonly owner: string | undefined;
  readonly tools: Tools;
}

export type State = 'running' | 'stopped' | 'empty';

/** @throws {Failure} NO_FILE_ACCESS when the configuration does not say where and how. */
export async function placeOf({ deps, request, backup }: RestoreContext): Promise<Place> {
  const { dataDirectory, service, owner, binDirectory, container } = deps.configuration;
  if (dataDirectory === undefined || service === undefined)
    throw new Failure(
      'NO_FILE_ACCESS',
      'restoring a base backup in place needs postgres.dataDirectory and postgres.service in the configuration',
    );
  if (container !== undefined && tablespacesOf(backup).length > 0)
    throw new Failure('TARGET_UNSAFE', 'a base backup of several tablespaces is not restored in place in a container');
  const spaces = tablespacesOf(backup).map(async ({ oid, location, artifact }) => {
    refuseLocation(location, dataDirectory);
    return { oid, layout: await layoutOf(location, request.run), bytes: artifact.plainBytes };
  });
  return {
    layout: await layoutOf(dataDirectory, request.run),
    spaces: await Promise.all(spaces),
    service: { ...service, container },
    owner: owner ?? deps.scratchUser,
    tools: await findTools(binDirectory, majorOf(backup.manifest)),
  };
}

function refuseLocation(location: string, data: string): void {
  const isPlain = isAbsolute(location) && normalize(location) === location && !location.endsWith('/');
  const isApart = !`${location}/`.startsWith(`${data}/`) && !`${data}/`.startsWith(`${location}/`);
  if (!isPlain || !isApart)
    throw new Failure(
      'TARGET_UNSAFE',
      `the tablespace at '${location}' lies in the data folder or nowhere: such a base backup is restored into scratch only`,
    );
}

/**
 * Who the target is: asked over the network, else read from its data folder.
 * @throws {Failure} TARGET_MISMATCH, VERSION_UNFIT when its server would not start what is put there.
 */
export async function lookAtTarget(context: RestoreContext, place: Place): Promise<State> {
  try {
    const live = await requireLive(context);
    refuseVersion(context.backup, live.tools.major);
    await requireSameFolder(live.reach.database, context, place);
    return 'running';
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'STORE_UNREACHABLE') throw error;
  }
  const { data } = place.layout;
  if (!existsSync(data) || (await readdir(data)).length === 0) return 'empty';
  if (!existsSync(join(data, 'PG_VERSION')))
    throw new Failure('TARGET_NOT_EMPTY', `'${data}' holds files that are no data folder of PostgreSQL`);
  const facts = await runTool({
    command: place.tools.path('pg_controldata'),
    args: [data],
    install: place.tools.install,
  });
  refuseOther(context, /Database system identifier:\s+(\d+)/.exec(facts)?.[1] ?? 'unknown');
  refuseVersion(context.backup, Number.parseInt(await readFile(join(data, 'PG_VERSION'), 'utf8'), 10));
  return 'stopped';
}

async function requireSameFolder(database: string, { deps }: RestoreContext, { layout }: Place): Promise<void> {
  const { folder } = await withSession(liveReach(deps.configuration), database, (session) =>
    session.row<{ folder: string }>("select current_setting('data_directory') as folder"),
  );
  const { container } = deps.configuration;
  const same = await Promise.all([folderIdentity(folder, container), folderIdentity(layout.data)]).then(
    ([one, other]) => one === other,
    () => false,
  );
  if (!same)
    throw new Failure('TARGET_MISMATCH', `the live server's data folder is '${folder}', not '${layout.data}'`, {
      folder,
    });
}

/** @throws {Failure} VERSION_UNFIT, TARGET_UNSAFE, TARGET_NOT_EMPTY, NO_SPACE before anything is touched. */
export async function refuseUnfit(
  { deps, backup, request }: RestoreContext,
  { layout, spaces, tools }: Place,
): Promise<void> {
  refuseVersion(backup, await toolMajor(tools, 'postgres'));
  for (const space of spaces) await refuseForeign(space.layout);
  const base = { layout, bytes: await bytesOfChain(deps.reader, backup, request.tier) };
  await requireRoom([base, ...spaces]);
}

// The parts of a chain lie beside what is made of them, which is about as large as the largest.
async function bytesOfChain(...chain: Parameters<typeof openChain>): Promise<number> {
  const sizes = (await openChain(...chain)).map((backup) => oneOf(backup, 'base').plainBytes);
  return sizes.length === 1 ? (sizes[0] ?? 0) : sizes.reduce((sum, size) => sum + size, Math.max(...sizes));
}

// A tablespace's folder holds one folder for each version of PostgreSQL, and nothing else.
const OF_TABLESPACES = /^(PG_\d+_\d+|\.holdfast-.*|lost\+found)$/;

async function refuseForeign({ data }: Layout): Promise<void> {
  if (!existsSync(dirname(data)))
    throw new Failure(
      'TARGET_UNSAFE',
      `there is no folder '${dirname(data)}' for the tablespace at '${data}': make it`,
    );
  const names = existsSync(data) ? await readdir(data) : [];
  const foreign = names.filter((name) => name !== RESTORED_MARK && !OF_TABLESPACES.test(name));
  if (foreign.length > 0)
    throw new Failure('TARGET_NOT_EMPTY', `'${data}' holds what is no tablespace of PostgreSQL: '${foreign[0]}'`);
}

// Several folders may lie on one file system: what they need is counted together.
async function requireRoom(parts: readonly { readonly layout: Layout; readonly bytes: number }[]): Promise<void> {
  const systems = new Map<number, { path: string; free: number; need: number }>();
  for (const { layout, bytes } of parts) {
    const path = layout.isMount ? layout.data : dirname(layout.data);
    const [{ dev }, { bavail, bsize }] = await Promise.all([stat(path), statfs(path)]);
    const need = (systems.get(dev)?.need ?? 0) + Math.ceil(bytes * 1.05);
    systems.set(dev, { path, free: bavail * bsize, need });
  }
  for (const { path, free, need } of systems.values())
    if (free < need)
      throw new Failure('NO_SPACE', `the base backup does not fit below '${path}'`, { path, needBytes: need - free });
}
