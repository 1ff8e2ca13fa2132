// What the broker's activities are built from.
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import type { BrokerConfiguration } from './live-broker.ts';

export interface BrokerDependencies extends SystemDependencies<BrokerConfiguration> {
  /** Called while the broker stands still, before the difference is copied. Tests put faults here. */
  readonly onFrozen?: (() => void | Promise<void>) | undefined;
  /** How long a live broker may confirm nothing while its queues are filled, in ms; 2 minutes when it is not set. */
  readonly fillPatienceMs?: number | undefined;
}
