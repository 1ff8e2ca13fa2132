// The order of the test files. Where no earlier run has left its times (a clean checkout), vitest starts large files
// first; the files that take longest are small, and one of them alone at the end leaves the other core idle.
import { BaseSequencer } from 'vitest/node';

/** Files that take longest, the longest first: beginnings of their paths. */
const LONGEST = [
  'test/workflows/laws',
  'test/docs/documents',
  'test/client/handover',
  'test/client/bad-input',
  'test/integration/failover-boundaries',
  'test/integration/cut-off',
  'test/integration/late-worker',
  'test/integration/live-step-boundaries',
  'test/integration/interruptions',
  'test/integration/step-boundaries',
  'test/activities/repository/runbook',
  'test/client/bad-storage',
  'test/client/platform',
  'test/client/without-temporal',
  'test/workers/continuation',
  'test/local/demo/',
  'test/client/status',
  'test/bench/',
  'test/integration/',
  'test/activities/redis/large-keys',
  'test/workflows/stories',
];

type Files = Parameters<BaseSequencer['sort']>[0];

const placeOf = ({ moduleId }: Files[number]): number => {
  const place = LONGEST.findIndex((name) => moduleId.includes(`/${name}`));
  return place === -1 ? LONGEST.length : place;
};

/** Vitest's own order within each project, the longest files before it. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Files): Promise<Files> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    return projects.flatMap((project) =>
      sorted.filter((file) => file.project === project).sort((a, b) => placeOf(a) - placeOf(b)),
    );
  }
}
