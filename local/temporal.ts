// Temporal's own server for one machine, with its Web UI and its state in one file.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { missingSearchAttributes, registerSearchAttributes } from '../workers/search-attributes.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';
import { findProgram } from './programs.ts';
import { freePort, type RunningServer, startServer } from './servers.ts';

export interface TemporalFacts {
  readonly address: string;
  /** Null for a server that is not ours: it does not say where its Web UI is. */
  readonly uiUrl: string | null;
}

export interface RunningTemporal extends TemporalFacts {
  readonly uiUrl: string;
  readonly databaseFile: string;
  /** Process id of the server that runs now; it changes with every `start`. */
  readonly pid: number;
  /** Ends the server (SIGKILL for a crash) and waits until it is gone. State stays in the file. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports and file, after `stop` or a crash. */
  start(): Promise<void>;
}

export interface TemporalSpec {
  /** Holds the database file and the log; made when missing. */
  readonly directory: string;
  readonly uiPort?: number;
}

/** Starts a server on loopback and free ports and waits until it knows our search attributes. */
export async function startTemporal(spec: TemporalSpec): Promise<RunningTemporal> {
  await mkdir(spec.directory, { recursive: true, mode: 0o700 });
  const databaseFile = join(spec.directory, 'temporal.db');
  const ports = { server: await freePort(), ui: spec.uiPort ?? (await freePort()) };
  const launch = () => launchServer(spec.directory, databaseFile, ports);
  let server = await launch();
  return {
    address: `127.0.0.1:${ports.server}`,
    uiUrl: `http://127.0.0.1:${ports.ui}`,
    databaseFile,
    get pid() {
      return server.pid;
    },
    stop: (signal) => server.stop(signal),
    start: async () => {
      await server.stop('SIGKILL');
      server = await launch();
    },
  };
}

function launchServer(
  directory: string,
  databaseFile: string,
  ports: { readonly server: number; readonly ui: number },
): Promise<RunningServer> {
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap(({ name }) => ['--search-attribute', `${name}=Keyword`]);
  // Its state outlives the server's death, as tests and demo need it; a power cut takes more than this file with it here.
  // Flushing would cost each step of a run several waits for the disk.
  const state = ['--db-filename', databaseFile, '--sqlite-pragma', 'synchronous=off'];
  const listen = ['--ip', '127.0.0.1', '--port', String(ports.server), '--ui-port', String(ports.ui)];
  return startServer({
    name: 'temporal',
    command: findProgram('temporal'),
    args: ['server', 'start-dev', ...state, ...listen, '--log-level', 'warn', ...attributes],
    env: { TEMPORAL_VERSION_CHECK_DISABLED: '1' }, // It asks an address outside.
    cwd: directory,
    logFile: join(directory, 'temporal.log'),
    ready: () => requireSearchAttributes(`127.0.0.1:${ports.server}`),
  });
}

/** Prepares a server that runs already: registers the search attributes that it does not have yet. */
export async function useTemporal(address: string, namespace = 'default'): Promise<TemporalFacts> {
  await withConnection(address, (connection) => registerSearchAttributes(connection.operatorService, namespace));
  return { address, uiUrl: null };
}

/** @throws {Error} while the server does not answer or does not know all of ours. */
async function requireSearchAttributes(address: string): Promise<void> {
  await withConnection(address, async (connection) => {
    const unknown = await missingSearchAttributes(connection.operatorService, 'default');
    if (unknown.length > 0) throw new Error(`search attributes not registered yet: ${unknown.join(', ')}`);
  });
}

async function withConnection(address: string, use: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 2000 });
  try {
    await use(connection);
  } finally {
    await connection.close();
  }
}
