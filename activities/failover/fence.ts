// Cutting a site off, and what proves it. A refusal proves that nothing is served; a silence proves nothing.
import { connect } from 'node:net';
import type { SiteConfiguration } from '../../domain/configuration/schema.ts';
import { durationMs } from '../../domain/configuration/schema.ts';
import type { FencePlan, FenceProof } from '../../domain/failover.ts';
import { Failure } from '../../domain/failures.ts';
import { startTool } from '../shared/run-tool.ts';

/** Calls towards a site that may be dead: short, once, all at the same time. */
const PROBE_MS = 5000;

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
 * Does: runs the configured commands side by side, then looks at every store.
 * Repeat: runs them again: a fence command must be one that can be repeated. Undo: none here; a person reopens the site.
 */
export async function fence(site: SiteConfiguration): Promise<readonly FenceProof[]> {
  const { commands = [], limit = '60s' } = site.fence ?? {};
  const ran = await Promise.all(commands.map((command, index) => runCommand(command, index + 1, durationMs(limit))));
  return [...ran.filter((proof) => proof !== null), ...(await probe(site))];
}

/** Does: connects to every store of a site, once each. Repeat: connects again. Undo: none, nothing is changed. */
export function probe(site: SiteConfiguration): Promise<readonly FenceProof[]> {
  return Promise.all(storesOf(site).map(probeStore));
}

// A command that fails leaves the site as it was: a person decides, and is told the tool's words.
async function runCommand(command: readonly string[], number: number, limitMs: number): Promise<FenceProof | null> {
  const [program = '', ...args] = command;
  const tool = startTool({ command: program, args, killAfterMs: 1000 });
  tool.stdin.end();
  tool.stdout.resume();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void tool.stop();
  }, limitMs);
  try {
    await tool.finished;
    return null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const detail = isLate ? `it did not end within ${limitMs / 1000} s` : error.message;
    return { store: `fence command ${number}`, address: program, state: 'unknown', detail };
  } finally {
    clearTimeout(timer);
  }
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
