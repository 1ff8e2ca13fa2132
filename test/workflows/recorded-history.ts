// A run's history as a file: the protocol's own encoding, compressed, without what names a machine.
import { gunzipSync, gzipSync } from 'node:zlib';
import proto from '@temporalio/proto';

const { History } = proto.temporal.api.history.v1;

export type RunHistory = proto.temporal.api.history.v1.IHistory;

// Who polled and where a failure was thrown say nothing about what a workflow did.
const PERSONAL = new Set(['identity', 'stackTrace']);

export function encodeHistory(history: RunHistory): Buffer {
  const copy = History.decode(History.encode(history).finish());
  clear(copy);
  return gzipSync(History.encode(copy).finish());
}

export const decodeHistory = (file: Uint8Array): RunHistory => History.decode(gunzipSync(file));

function clear(part: object): void {
  for (const [name, value] of Object.entries(part)) {
    if (PERSONAL.has(name) && typeof value === 'string') Object.assign(part, { [name]: '' });
    else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) clear(value);
  }
}
