// Cutting a site off, and what proves it. A refusal proves that nothing is served; a silence proves nothing.
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { durationMs, type SiteConfiguration } from '../../domain/configuration/schema.ts';
import { type FencePlan, type FenceProof, proofLine } from '../../domain/failover.ts';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { DEFAULT_LIMIT, requireCommands, runCommands } from './commands.ts';

/** Calls towards a site that may be dead: short, once, all at the same time. */
const PROBE_MS = 5000;
const LOOK_EVERY_MS = 250;

const NETWORK_STORES = ['postgres', 'redis', 'rabbitmq'] as const;

interface Place {
  readonly store: string;
  readonly host: string;
  readonly port: number;
}

function storesOf(site: SiteConfiguration): readonly Place[] {
  return NETWORK_STORES.flatMap((store): Place[] => {
    const { host, port } = site[store] ?? {};
    return host === undefined || port === undefined ? [] : [{ store, host, port }];
  });
}

/** What will be run and asked. */
export function planFence(site: SiteConfiguration): FencePlan {
  return { commands: site.fence?.commands.length ?? 0, stores: storesOf(site).map(({ store }) => store) };
}

/**
 * Does: runs the configured commands side by side, then looks at every store. A command that fails leaves the site as it
 * was: a person decides, and is told the tool's words.
 * Repeat: runs them again: a fence command must be one that can be repeated. Undo: `undoFence`.
 */
export async function fence(site: SiteConfiguration): Promise<readonly FenceProof[]> {
  const ends = await runCommands(site.fence ?? { commands: [], limit: DEFAULT_LIMIT });
  const failed = ends.flatMap(({ program, trouble }, index): FenceProof[] =>
    trouble === null
      ? []
      : [{ store: `fence command ${index + 1}`, address: program, state: 'unknown', detail: trouble }],
  );
  return [...failed, ...(await probe(site))];
}

/**
 * Does: runs the commands that take the fence back, then waits until every store takes connections.
 * Repeat: runs them again and finds the stores open. Undo: `fence`.
 * @throws {Failure} TOOL_FAILED, STORE_UNREACHABLE naming the stores that stay silent.
 */
export async function undoFence(name: string, site: SiteConfiguration): Promise<readonly FenceProof[]> {
  const { undo: commands = [], limit = DEFAULT_LIMIT } = site.fence ?? {};
  await requireCommands(`'${name}' was not started again`, { commands, limit });
  for (const deadline = Date.now() + durationMs(limit); ; await wait(LOOK_EVERY_MS)) {
    throwIfCancelled();
    const proofs = await probe(site);
    const closed = proofs.filter(({ state }) => state !== 'open');
    if (closed.length === 0) return proofs;
    if (Date.now() > deadline)
      throw new Failure('STORE_UNREACHABLE', `'${name}' is still closed: ${closed.map(proofLine).join('; ')}`);
  }
}

/** Does: connects to every store of a site, once each. Repeat: connects again. Undo: none, nothing is changed. */
export function probe(site: SiteConfiguration): Promise<readonly FenceProof[]> {
  return Promise.all(storesOf(site).map(probeStore));
}

function probeStore({ store, host, port }: Place): Promise<FenceProof> {
  const proof = (state: FenceProof['state'], detail: string) => ({ store, address: `${host}:${port}`, state, detail });
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_MS });
    const end = (result: FenceProof) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end(proof('open', 'it takes connections')));
    socket.once('timeout', () => end(proof('unknown', `no answer within ${PROBE_MS / 1000} s`)));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? proof('refused', '') : proof('unknown', error.message)),
    );
  });
}
