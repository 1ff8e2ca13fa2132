// Where databases are loaded: the run's scratch server, or the live one after its identity was checked.
import { makeRunFolder } from './context.ts';
import type { LoadTarget } from './load-database.ts';
import { type RestoreContext, requireLive, scratchOf } from './restore-context.ts';
import { ensureScratch } from './scratch-server.ts';
import { withCredentials } from './tools.ts';

/** Does the work against the scratch server, which is started when it does not run. */
export async function onScratch<T>(context: RestoreContext, work: (target: LoadTarget) => Promise<T>): Promise<T> {
  const spec = await scratchOf(context);
  const reach = await ensureScratch(spec);
  return withCredentials(reach, spec.folder, (credentials) =>
    work({ reach, tools: spec.tools, credentials, folder: spec.folder, maintenance: 'template1' }),
  );
}

/** Does the work against the live server, after its identity was checked. */
export async function onLive<T>(context: RestoreContext, work: (target: LoadTarget) => Promise<T>): Promise<T> {
  const { reach, tools } = await requireLive(context);
  const folder = await makeRunFolder(context.deps, context.request.run, 'restore');
  return withCredentials(reach, folder, (credentials) =>
    work({ reach, tools, credentials, folder, maintenance: reach.database }),
  );
}
