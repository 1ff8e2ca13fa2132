// Giving a stream of a backup to tools: several at once, at the pace of the slowest.
import { once } from 'node:events';
import type { ByteSource } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { RunningTool } from '../shared/run-tool.ts';

/** Writes `source` to the standard input of a tool. Awaiting it proves that the tool took every byte and ended well. */
export async function feed(source: ByteSource, tool: RunningTool): Promise<void> {
  tool.stdout.resume();
  for await (const _ of passThrough(source, tool)) {
    // The tool is the reader.
  }
  await tool.finished;
}

/** Passes `source` on and writes the same bytes to the standard input of a tool. */
export async function* passThrough(source: ByteSource, tool: RunningTool): ByteSource {
  const gone = new AbortController();
  const leave = () => gone.abort();
  tool.finished.then(leave, leave);
  try {
    for await (const chunk of source) {
      if (gone.signal.aborted) await endedEarly(tool);
      if (!tool.stdin.write(chunk))
        await once(tool.stdin, 'drain', { signal: gone.signal }).catch(() => endedEarly(tool));
      yield chunk;
    }
    tool.stdin.end();
  } catch (error) {
    await tool.stop();
    throw error;
  }
}

async function endedEarly(tool: RunningTool): Promise<never> {
  await tool.finished;
  throw new Failure('TOOL_FAILED', 'a tool ended before it had read everything it was given', {});
}

/** What a tool prints (`printed` when that is not its stdout); ends with an error when the tool did not end well. */
export async function* outputOf(tool: RunningTool, printed: ByteSource = tool.stdout): ByteSource {
  yield* printed;
  await tool.finished;
}
