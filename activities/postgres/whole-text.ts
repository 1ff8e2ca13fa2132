// pg_dump and pg_dumpall write a last line; a text without it was cut, whatever the exit status said.
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import type { Failure } from '../../domain/failures.ts';

/** The last line of what each tool writes, by the role of the artifact. */
export const LAST_LINES = {
  sql: '-- PostgreSQL database dump complete',
  globals: '-- PostgreSQL database cluster dump complete',
} as const;

// After the last line come empty lines and, since the minor releases of August 2025, "\unrestrict" with a key.
const TAIL_BYTES = 512;

/** Passes a text on. @throws {Failure} what `cut` makes, after the last byte, when the last line is not there. */
export async function* wholeText(role: keyof typeof LAST_LINES, source: ByteSource, cut: () => Failure): ByteSource {
  let tail = Buffer.alloc(0);
  for await (const chunk of source) {
    tail = Buffer.concat([tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    yield chunk;
  }
  if (!tail.toString('utf8').includes(LAST_LINES[role])) throw cut();
}
