// A look at the broker before anything is taken: who it is, how large it is, and what a backup would miss or fail at.
import { access, constants, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding, InspectInput, SystemFacts } from '../../domain/contracts/protected-system.ts';
import { Failure, type FailureCode } from '../../domain/failures.ts';
import { estimatedPauseMs, lossesByNature, type QueueRecord } from '../../domain/systems/rabbitmq-inventory.ts';
import { runTool } from '../shared/run-tool.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { brokerPrograms } from './isolated-node.ts';
import type { BrokerConfiguration } from './live-broker.ts';
import { type ClusterFacts, clusterFacts, listQueues, listTopology, liveBroker } from './live-broker.ts';

/** Bytes a second that copying a changed file moved in the slowest run measured. */
const SLOW_COPY_PER_MS = 300_000;

/** Does: asks only. Repeat: harmless. Undo: none. */
export async function inspect(deps: BrokerDependencies, input: InspectInput): Promise<SystemFacts> {
  const { management } = await liveBroker(deps.configuration);
  const cluster = await clusterFacts(management);
  const queues = await listQueues(management);
  const { exchanges, bindings } = await listTopology(management);
  const vhosts = await management.get<readonly object[]>('/api/vhosts?columns=name');
  const wantsMessages = input.kinds.length === 0 || input.kinds.includes('messages');
  const size = await folderSize(deps.configuration.dataDirectory);
  const pending = queues.reduce((sum, { ready, unacknowledged }) => sum + (ready ?? 0) + (unacknowledged ?? 0), 0);
  return {
    identity: cluster.node,
    version: cluster.version,
    estimatedBytes: size?.bytes ?? 0,
    counts: {
      vhosts: vhosts.length,
      queues: queues.length,
      exchanges: exchanges.length,
      bindings: bindings.length,
      messages: pending,
    },
    source: {
      clusterName: cluster.clusterName,
      nodes: cluster.nodes.map(({ name }) => name),
      plugins: [...(cluster.nodes[0]?.enabled_plugins ?? [])],
      erlang: cluster.erlang,
      largestFileBytes: size?.largest ?? null,
      estimatedPauseMs: size === null ? null : estimatedPauseMs({ elapsedMs: size.largest / SLOW_COPY_PER_MS }),
    },
    findings: [
      ...alarmFindings(cluster),
      ...(wantsMessages ? await messageFindings(deps.configuration, cluster, queues, input.kinds) : []),
    ],
  };
}

function alarmFindings({ nodes }: ClusterFacts): Finding[] {
  return nodes.flatMap(({ name, running, mem_alarm, disk_free_alarm }) => [
    ...(running ? [] : [warning(`node ${name}`, 'does not run', 'STORE_UNREACHABLE', 'start it, then look again')]),
    ...(mem_alarm ? [warning(`node ${name}`, 'has a memory alarm: publishers are blocked', null)] : []),
    ...(disk_free_alarm ? [warning(`node ${name}`, 'has a disk alarm: publishers are blocked', null)] : []),
  ]);
}

async function messageFindings(
  configuration: BrokerConfiguration,
  cluster: ClusterFacts,
  queues: readonly QueueRecord[],
  kinds: readonly string[],
): Promise<Finding[]> {
  const level = kinds.includes('messages') ? 'failed' : 'warning';
  const finding = (subject: string, message: string, code: FailureCode, mend: string): Finding => ({
    ...{ level, subject, message, code, mend },
  });
  const { dataDirectory, binDirectory } = configuration;
  const mend = 'set rabbitmq.dataDirectory and run the worker where the files are, or take the kind definitions';
  if (dataDirectory === undefined)
    return [finding('data folder', 'not configured: definitions only', 'NO_FILE_ACCESS', mend)];
  const found: Finding[] = [];
  const readable = await access(dataDirectory, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!readable) found.push(finding('data folder', `'${dataDirectory}' cannot be read here`, 'NO_FILE_ACCESS', mend));
  if (cluster.nodes.length > 1) {
    const words = `the cluster has ${cluster.nodes.length} nodes and only one node's files are here: definitions only`;
    found.push(finding('cluster', words, 'NO_FILE_ACCESS', 'take the kind definitions'));
  }
  found.push(...(await programFindings(binDirectory, cluster.version, finding)));
  return [...found, ...lossesByNature(queues).map((words) => warning('queues', words, null))];
}

async function programFindings(
  binDirectory: string | undefined,
  version: string,
  finding: (subject: string, message: string, code: FailureCode, mend: string) => Finding,
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const tool of ['unshare', 'ip', 'mount', 'setpriv']) {
    const isThere = await runTool({ command: tool, args: ['--version'] }).then(
      () => true,
      (error: unknown) => !(error instanceof Failure && error.code === 'TOOL_MISSING'),
    );
    const mend = 'apt-get install util-linux mount iproute2';
    if (!isThere) found.push(finding(`tool '${tool}'`, 'is not on this machine', 'TOOL_MISSING', mend));
  }
  const installed = await installedVersion(binDirectory);
  const mend = `install rabbitmq-server ${version} beside the worker`;
  if (installed === null) found.push(finding('rabbitmq-server', 'is not on this machine', 'TOOL_MISSING', mend));
  else if (installed !== version)
    found.push(finding('rabbitmq-server', `is ${installed} here and ${version} there`, 'VERSION_UNFIT', mend));
  return found;
}

/**
 * Version of the broker beside this worker, or null. The installation folder carries it; asking the program would start
 * a whole Erlang for it.
 */
export async function installedVersion(binDirectory: string | undefined): Promise<string | null> {
  try {
    const programs = brokerPrograms(binDirectory);
    const folders = [join(programs, '..', 'lib'), join(programs, '..', '..'), join(programs, '..', 'plugins')];
    for (const folder of folders) {
      const names = await readdir(folder).catch(() => []);
      const match = names.map((name) => /^(?:rabbitmq_server|rabbit)-(\d+\.\d+\.\d+)/.exec(name)).find(Boolean);
      if (match?.[1] !== undefined) return match[1];
    }
    return null;
  } catch {
    return null;
  }
}

function warning(subject: string, message: string, code: FailureCode | null, mend?: string): Finding {
  return { level: 'warning', subject, message, code, ...(mend === undefined ? {} : { mend }) };
}

async function folderSize(folder: string | undefined): Promise<{ bytes: number; largest: number } | null> {
  if (folder === undefined) return null;
  const names = await readdir(folder, { recursive: true }).catch(() => null);
  if (names === null) return null;
  const sum = { bytes: 0, largest: 0 };
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => null); // A file of a living broker may go at any time.
    if (!found?.isFile()) continue;
    sum.bytes += found.size;
    sum.largest = Math.max(sum.largest, found.size);
  }
  return sum;
}
