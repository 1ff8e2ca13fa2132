// Where the broker stands: what was published and taken since it started, counted by itself. Its statistics are as old as
// their interval (collect_statistics_interval, 5 s by default), so a reading counts only when it has stood still for longer.
import { setTimeout as wait } from 'node:timers/promises';
import type { StorePosition } from '../../domain/contracts/protected-system.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { liveBroker } from './live-broker.ts';
import type { Management } from './management.ts';

const LOOK_EVERY_MS = 500;
const STANDS_STILL_MS = 6000;
/** A broker that is still being written to after this stands nowhere: the next reading will differ. */
const LONGEST_MS = 30_000;

interface Overview {
  readonly rates_mode?: string;
  readonly message_stats?: Readonly<Record<string, unknown>>;
  readonly queue_totals?: Readonly<Record<string, unknown>>;
}

/** Does: asks the management API. Repeat: harmless. Undo: none. @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED. */
export async function readPosition({ configuration }: BrokerDependencies): Promise<StorePosition> {
  const { management } = await liveBroker(configuration);
  const deadline = Date.now() + LONGEST_MS;
  let [found, since] = [await read(management), Date.now()];
  while (Date.now() - since < STANDS_STILL_MS && Date.now() < deadline) {
    await wait(LOOK_EVERY_MS);
    throwIfCancelled();
    const next = await read(management);
    if (next.position !== found.position) since = Date.now();
    found = next;
  }
  return found;
}

const COUNTED = ['publish', 'deliver_get', 'deliver_no_ack', 'get_no_ack', 'ack'] as const;

// Messages that expire go without a client: only where the broker keeps no rates are the messages themselves counted.
async function read(management: Management): Promise<StorePosition> {
  const overview = await management.get<Overview>('/api/overview');
  const { rates_mode: mode, message_stats: stats = {}, queue_totals: totals = {} } = overview;
  const count = (from: Readonly<Record<string, unknown>>, name: string) => Number(from[name] ?? 0);
  const messages = count(totals, 'messages');
  const [published, taken] = [count(stats, 'publish'), count(stats, 'ack')];
  const figures = COUNTED.map((name) => `${name}=${count(stats, name)}`).join(' ');
  return {
    position: mode === 'none' ? `messages=${messages}` : figures,
    detail: `${messages} messages, ${published} published, ${taken} acknowledged`,
  };
}
