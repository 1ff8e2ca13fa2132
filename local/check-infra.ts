// `npm run check:infra`: the form of infra/, tflint's core rules, and checkov. Neither looks anything up on the network:
// tflint has no rules of a provider here, and checkov runs the checks that came with it.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { builtPrograms, findProgram, findTerraform } from './programs.ts';

const ROOT = join(import.meta.dirname, '..');
const INFRA = join(ROOT, 'infra');
// A module of a configuration is a folder of its own, too.
const folders = [
  ...new Set(
    readdirSync(INFRA, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.tf'))
      .map(({ parentPath }) => parentPath),
  ),
];

const run = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'inherit', cwd: ROOT }).status === 0;

const lint = (folder: string): boolean =>
  run(findProgram('tflint'), [`--chdir=${folder}`, `--config=${join(INFRA, '.tflint.hcl')}`]);

const looks = [
  run(findTerraform(), ['fmt', '-check', '-recursive', '-diff', INFRA]),
  ...folders.map(lint),
  run(join(builtPrograms(), '..', 'checkov/bin/checkov'), [
    ...['--directory', INFRA, '--framework', 'terraform'],
    ...['--compact', '--quiet', '--skip-download'],
  ]),
];
process.exitCode = looks.every((isGood) => isGood) ? 0 : 1;
