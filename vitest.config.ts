import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

// `pure` needs nothing but Node and runs in `npm run check`; `servers` starts real servers; `current` needs the stores of
// a newer release beside those of this machine, or containers, and runs in `npm run test:current` alone.
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.server.test.ts', 'test/**/*.current.test.ts'],
          pool: 'forks',
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: ['test/**/*.server.test.ts'],
          exclude: ['test/current/**'],
          pool: 'forks',
          maxWorkers: 3,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'current',
          include: ['test/**/*.current.test.ts'],
          pool: 'forks',
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
