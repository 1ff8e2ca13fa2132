// How a broker is, from what its management API says.
import type { StatusLine } from '../contracts/system-status.ts';
import { formatBytes } from '../quantities.ts';

export interface BrokerNode {
  readonly name: string;
  readonly running: boolean;
  readonly memoryAlarm: boolean;
  readonly diskAlarm: boolean;
  /** Nodes that this one has lost sight of. */
  readonly partitions: readonly string[];
  /** Null until the node's first statistics. */
  readonly diskFreeBytes: number | null;
}

export interface BrokerQueue {
  readonly vhost: string;
  readonly name: string;
  readonly state: string;
  /** Null until the queue's first statistics. */
  readonly messages: number | null;
  readonly consumers: number | null;
}

export interface BrokerFigures {
  readonly version: string;
  readonly clusterName: string;
  readonly nodes: readonly BrokerNode[];
  readonly queues: number;
  readonly messages: number;
  /** Queues that told no state or no number of messages. */
  readonly uncounted: number;
  /** The queues that do not run, and the fullest, so that neither a list nor a page is without end. */
  readonly named: readonly BrokerQueue[];
  readonly unfit: number;
}

const NAMED = 10;
const FIT = ['running', 'idle', 'flow'];
/** What stands where a queue told no state. */
const UNTOLD = 'unknown';
const isFit = ({ state }: BrokerQueue) => FIT.includes(state);
const isUntold = ({ state, messages }: BrokerQueue) => state === UNTOLD || messages === null;

/** Sums the queues up and keeps those worth naming. */
export function brokerFigures(
  about: Pick<BrokerFigures, 'version' | 'clusterName' | 'nodes'>,
  queues: readonly BrokerQueue[],
): BrokerFigures {
  const unfit = queues.filter((queue) => !isFit(queue) && queue.state !== UNTOLD);
  const fullest = queues
    .filter((queue) => !unfit.includes(queue) && (queue.messages ?? 0) > 0)
    .toSorted((a, b) => (b.messages ?? 0) - (a.messages ?? 0));
  return {
    ...about,
    queues: queues.length,
    messages: queues.reduce((sum, { messages }) => sum + (messages ?? 0), 0),
    uncounted: queues.filter(isUntold).length,
    named: [...unfit.slice(0, NAMED), ...fullest.slice(0, NAMED)],
    unfit: unfit.length,
  };
}

/** Everything worth telling about the broker, in the order of reading. */
export function judgeBroker(figures: BrokerFigures): readonly StatusLine[] {
  const { version, clusterName, nodes, named } = figures;
  const size = nodes.length === 1 ? '1 node' : `${nodes.length} nodes`;
  return [
    line('ok', 'broker', `answers; ${version}, cluster "${clusterName}" of ${size}`),
    ...nodes.flatMap(nodeLines),
    queuesLine(figures),
    ...named.map(queueLine),
  ];
}

const line = (level: StatusLine['level'], subject: string, message: string): StatusLine => ({
  ...{ level, subject, message, code: null },
});

function nodeLines({ name, running, memoryAlarm, diskAlarm, partitions, diskFreeBytes }: BrokerNode): StatusLine[] {
  const subject = `node ${name}`;
  if (!running) return [line('failed', subject, 'does not run')];
  const free = diskFreeBytes === null ? '' : `, ${formatBytes(diskFreeBytes)} free`;
  const bad = [
    ...(memoryAlarm ? [line('failed', subject, 'has a memory alarm: publishers are blocked')] : []),
    ...(diskAlarm ? [line('failed', subject, `has a disk alarm: publishers are blocked${free}`)] : []),
    ...(partitions.length > 0 ? [line('failed', subject, `is parted from ${partitions.join(', ')}`)] : []),
  ];
  return bad.length > 0 ? bad : [line('ok', subject, `runs, no alarm${free}`)];
}

function queuesLine({ queues, messages, uncounted, unfit }: BrokerFigures): StatusLine {
  const uncertain = uncounted === 0 ? '' : `; ${uncounted} of them did not tell how they are or what they hold`;
  const bad = unfit === 0 ? '' : `; ${unfit} do not run`;
  const level = unfit > 0 ? 'failed' : uncounted > 0 ? 'unknown' : 'ok';
  return line(level, 'queues', `${queues} with ${messages} messages${uncertain}${bad}`);
}

function queueLine(queue: BrokerQueue): StatusLine {
  const { vhost, name, state, messages, consumers } = queue;
  const held = messages === null ? 'an unknown number of messages' : `${messages} messages`;
  const readers = consumers === null ? '' : `, ${consumers} consumers`;
  const level = isUntold(queue) ? 'unknown' : isFit(queue) ? 'ok' : 'failed';
  return line(level, `queue "${name}" (vhost ${vhost})`, `${state}, ${held}${readers}`);
}
