// Prints `N passed, N failed` from vitest's JSON result, as the last line. A file of tests that could not be loaded
// counts as one failure; a result that is not there is a failure of the whole run.
import { readFileSync } from 'node:fs';

const [file = 'test-results/vitest.json'] = process.argv.slice(2);
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
  readFileSync(file, 'utf8'),
);
const unloaded = testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);
const failed = numFailedTests + unloaded.length;
const skipped = numPendingTests + numTodoTests;
console.log(`${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || numPassedTests === 0 ? 1 : 0;
