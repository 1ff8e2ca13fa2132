// Rewrites the expiry times of an RDB while it streams by; everything else stays as it is, byte for byte.

import { RdbWalker } from '../../domain/systems/redis-rdb.ts';
import { rdbFailure } from './rdb-failure.ts';

interface Patch {
  readonly at: number;
  readonly bytes: Buffer;
}

/** The RDB with changed expiry times. Its checksum is set to zero, which tells Redis that there is none. */
export async function* withExpiries(
  source: AsyncIterable<Uint8Array>,
  change: (expiresAtMs: number) => number,
): AsyncGenerator<Uint8Array> {
  const patches: Patch[] = [];
  const walker = new RdbWalker({
    nowMs: 0,
    onExpiry: ({ at, expiresAtMs }) => patches.push({ at, bytes: littleEndian(change(expiresAtMs)) }),
    onChecksum: (at) => patches.push({ at, bytes: Buffer.alloc(8) }),
  });
  let held = Buffer.alloc(0);
  let heldAt = 0;
  for await (const piece of source) {
    held = Buffer.concat([held, piece]);
    walked(() => walker.push(piece));
    // What the walker has passed will not be patched any more.
    const ready = Math.min(walker.position - heldAt, held.length);
    const open = patches.splice(0).filter((patch) => !apply(patch, held, heldAt));
    patches.push(...open);
    if (ready > 0) yield held.subarray(0, ready);
    held = held.subarray(ready);
    heldAt += ready;
  }
  for (const patch of patches) apply(patch, held, heldAt);
  walked(() => walker.finish());
  if (held.length > 0) yield held;
}

function walked(step: () => void): void {
  try {
    step();
  } catch (error) {
    throw rdbFailure(error, 'ARTIFACT_DAMAGED');
  }
}

function apply({ at, bytes }: Patch, held: Buffer, heldAt: number): boolean {
  if (at - heldAt + bytes.length > held.length) return false;
  bytes.copy(held, at - heldAt);
  return true;
}

function littleEndian(ms: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(Math.round(ms)));
  return bytes;
}
