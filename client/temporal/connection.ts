// The connection to Temporal: where it is, how long it may take, and what its silence means.
import { connect as dial } from 'node:net';
import {
  Client,
  Connection,
  type ConnectionOptions,
  isGrpcServiceError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';

export interface Temporal {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string;
  /** Asks with the connection's deadline, ten seconds unless told. @throws {Failure} NO_TEMPORAL, RUN_NOT_FOUND; others as they are. */
  ask<T>(question: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface TemporalPlace {
  readonly address: string;
  readonly namespace: string;
  readonly options: ConnectionOptions;
  /** Where the Web UI is. */
  readonly uiUrl: string;
}

const DEADLINE_MS = 10_000;
const DIAL_MS = 3000;

/** Where Temporal is: the environment and Temporal's own profile file first, then the configuration. */
export function temporalPlace(configuration: Configuration): TemporalPlace {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const address = connectionOptions.address ?? configuration.temporal.address ?? 'localhost:7233';
  const options = { ...(connectionOptions as ConnectionOptions), address };
  return {
    address,
    namespace: namespace ?? configuration.temporal.namespace,
    options,
    uiUrl: uiUrlOf(configuration, address),
  };
}

/**
 * Connects. @throws {Failure} NO_TEMPORAL within seconds when nothing listens there.
 * @param deadlineMs how long connecting, and each question, may take.
 */
export async function connectTemporal(configuration: Configuration, deadlineMs = DEADLINE_MS): Promise<Temporal> {
  const { address, namespace, options, uiUrl } = temporalPlace(configuration);
  await reach(address);
  const connection = await Connection.connect({ ...options, connectTimeout: deadlineMs }).catch((cause) => {
    throw noTemporal(address, cause);
  });
  return {
    client: new Client({ connection, namespace }),
    connection,
    address,
    namespace,
    uiUrl,
    ask: async (question) => {
      try {
        return await connection.withDeadline(Date.now() + deadlineMs, question);
      } catch (error) {
        throw translated(address, error);
      }
    },
    close: () => connection.close(),
  };
}

// The gRPC library tries for ten seconds before it gives up; a plain connection tells at once.
function reach(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = dial({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 7233), timeout: DIAL_MS });
    const end = (cause?: Error) => {
      socket.destroy();
      if (cause) reject(noTemporal(address, cause));
      else resolve();
    };
    socket.once('connect', () => end());
    socket.once('error', end);
    socket.once('timeout', () => end(new Error('no answer in time')));
  });
}

function noTemporal(address: string, cause: unknown): Failure {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new Failure(
    'NO_TEMPORAL',
    `Temporal does not answer at '${address}' (${code ?? message})`,
    { address },
    cause,
  );
}

const GRPC = { notFound: 5, deadline: 4, unavailable: 14 } as const;

function translated(address: string, error: unknown): unknown {
  if (error instanceof WorkflowNotFoundError) return runNotFound(error.workflowId, error);
  const cause = isGrpcServiceError(error) ? error : (error as Error).cause;
  if (!isGrpcServiceError(cause)) return error;
  const code = Number(cause.code);
  if (code === GRPC.unavailable || code === GRPC.deadline) return noTemporal(address, new Error(cause.details));
  return error;
}

/** The failure for a run that Temporal does not know. */
export function runNotFound(run: string, cause?: unknown): Failure {
  return new Failure('RUN_NOT_FOUND', `there is no run '${run}'`, { run }, cause);
}

// The server does not say where its Web UI is: the environment, the configuration, then the usual port.
function uiUrlOf({ temporal }: Configuration, address: string): string {
  return process.env.TEMPORAL_UI_URL ?? temporal.uiUrl ?? `http://${new URL(`tcp://${address}`).hostname}:8233`;
}

/** Address of a run in the Web UI. */
export function webLink({ uiUrl, namespace }: TemporalPlace | Temporal, workflowId: string, runId: string): string {
  const parts = [namespace, 'workflows', workflowId, runId].map(encodeURIComponent);
  return `${uiUrl.replace(/\/$/, '')}/namespaces/${parts.join('/')}`;
}
