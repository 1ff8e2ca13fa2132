// Paints progress on standard error: redrawn in place on a terminal, a line for each change elsewhere.
import type { Snapshot } from '../temporal/observe.ts';
import type { Output } from './output.ts';
import { liveLines, progressLine, stepLine } from './progress.ts';

export interface Painter {
  show(snapshot: Snapshot): void;
  /** Leaves what was painted last and lets other text follow. */
  rest(): void;
}

export function makePainter(output: Output): Painter {
  return output.liveColumns === null ? linePainter(output) : blockPainter(output);
}

function blockPainter(output: Output): Painter {
  let height = 0;
  const erase = () => (height > 0 ? `\u001b[${height}A\u001b[J` : '');
  return {
    show: (snapshot) => {
      const lines = liveLines(snapshot, output.liveColumns ?? 80);
      output.writeLive(`${erase()}${lines.join('\n')}\n`);
      height = lines.length;
    },
    rest: () => {
      height = 0;
    },
  };
}

const EVERY_MS = 10_000;

function linePainter(output: Output): Painter {
  const told = new Map<string, string>();
  let lastProgress = Date.now();
  return {
    show: ({ state, activities }) => {
      for (const step of state?.steps ?? []) {
        const line = stepLine(step);
        if (step.status !== 'pending' && told.get(step.id) !== line) output.note(line);
        told.set(step.id, line);
      }
      if (Date.now() - lastProgress < EVERY_MS) return;
      lastProgress = Date.now();
      for (const activity of activities) output.note(progressLine(activity));
    },
    rest: () => undefined,
  };
}
