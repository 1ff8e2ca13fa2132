// Numbered rows, keys and messages that a workload writes into every store, and keeps a list of outside of them: what is
// acknowledged and not there any more is what was lost, counted instead of reckoned.
import type { SystemName } from './systems.ts';

/** Where markers are, by the names that the workload gives them. */
export const MARKERS = {
  postgres: { schema: 'dr', table: 'markers' },
  redis: { prefix: 'dr:marker:' },
  rabbitmq: { queue: 'dr.markers' },
} as const;

export type MarkedSystem = keyof typeof MARKERS;

export const isMarked = (system: SystemName): system is MarkedSystem => system in MARKERS;

/** Name of a system's list at the witness, one line a marker: ISO time of the acknowledgement, space, number. */
export const markerListName = (system: MarkedSystem): string => `${system}.acknowledged`;

export const markerLine = (marker: number, at: string): string => `${at} ${marker}\n`;

/** What the lists at the witness say. */
export type AcknowledgedMarkers = Readonly<Partial<Record<MarkedSystem, number>>>;

export interface MarkerLoss {
  readonly acknowledged: number;
  /** Found in the restored store before it was opened. */
  readonly restored: number;
  readonly lost: number;
}

/** By store; null or absent where it could not be counted. */
export type MarkerLosses = Readonly<Partial<Record<SystemName, MarkerLoss | null>>>;

/** Never negative: a marker that was written and whose answer was lost is in the store and not in the list. */
export const markerLoss = (acknowledged: number, restored: number): MarkerLoss => ({
  ...{ acknowledged, restored, lost: Math.max(0, acknowledged - restored) },
});
