// What the tests of a bucket's faults share: files to store, whole objects to compare, a fault that happens once.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupStore, FileToStore } from '../../activities/repository/store.ts';
import type { Fault, FaultProxy } from './fault-proxy.ts';

export function fileIn(directory: string, name: string, bytes: Uint8Array): FileToStore {
  const path = join(directory, name);
  writeFileSync(path, bytes, { mode: 0o600 });
  return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

export async function bytesOf(from: BackupStore, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of from.read(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Fails once, at the first request that fits. */
export function failOnceAt(proxy: FaultProxy, pattern: RegExp, fault: Fault): void {
  let isDone = false;
  proxy.setFault((request) => {
    if (isDone || !pattern.test(request)) return null;
    isDone = true;
    return fault;
  });
}
