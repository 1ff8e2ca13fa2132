// `npm run check:architecture`: the import rules, and proof that the referee saw every module.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const ROOMS = ['domain', 'workflows', 'activities', 'workers', 'client', 'local', 'bench', 'test'].filter((room) =>
  existsSync(room),
);
const output = execFileSync('depcruise', ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...ROOMS], {
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
const { modules, summary } = JSON.parse(output);
const seen = modules.filter(({ source }) => source.endsWith('.ts') && ROOMS.includes(source.split('/')[0])).length;
const there = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...ROOMS], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file.endsWith('.ts')).length;

for (const { rule, from, to } of summary.violations) {
  const { comment } = summary.ruleSetUsed.forbidden.find(({ name }) => name === rule.name);
  console.error(`${rule.name}: ${from} -> ${to}\n  ${comment}`);
}
if (seen < there) {
  console.error(`the referee saw ${seen} of ${there} TypeScript modules, so its silence proves nothing`);
  process.exit(1);
}
console.log(`architecture: ${seen} modules, ${summary.violations.length} violations`);
process.exit(summary.violations.length === 0 ? 0 : 1);
