// What `npm run demo`, `npm test` and `.ci/run` call first: installs what is missing on this machine and says what and
// why, one line each; silent when nothing is missing. Plain Node 20 without dependencies, because nothing else is there
// on a fresh machine.
//
//   node local/install.mjs [demo|test|bench|current|infra] [--check] [--packages]
//
//   demo, test, bench   what it is needed for; default: test
//   current             test, and the stores of a newer release that `npm run test:current` runs on
//   infra               what `npm run check:infra` looks at infra/ with, and nothing else
//   --check             only report
//   --packages          only what root must install (for a user who is not)
import { checkov } from './install/checkov.mjs';
import { currentStores } from './install/current-stores.mjs';
import { goPrograms } from './install/go-programs.mjs';
import { Missing, threeLines } from './install/missing.mjs';
import { nodeModules } from './install/node-modules.mjs';
import { systemPackages } from './install/system-packages.mjs';

const words = process.argv.slice(2);
const purpose = ['demo', 'bench', 'current', 'infra'].find((word) => words.includes(word)) ?? 'test';

/** Every part answers `missing()` with lines to show and `install()`; nothing is started or written by `missing`. */
const ofRoot = [systemPackages(purpose), ...(purpose === 'current' ? [currentStores()] : [])];
const ofInfra = [nodeModules(), goPrograms('infra'), checkov()];
const ofUser = [nodeModules(), goPrograms(purpose)];
const parts = words.includes('--packages') ? ofRoot : purpose === 'infra' ? ofInfra : [...ofRoot, ...ofUser];

function report() {
  const lines = parts.flatMap((part) => part.missing());
  for (const part of parts) for (const line of part.present()) console.log(`there    ${line}`);
  for (const line of lines) console.log(`missing  ${line}`);
  return lines.length === 0 ? 0 : 11;
}

async function install() {
  for (const part of parts) {
    const lines = part.missing();
    if (lines.length === 0) continue;
    part.refuseWhenImpossible();
    for (const line of lines) console.log(`installing ${line}`);
    await part.install();
  }
  return 0;
}

try {
  process.exitCode = words.includes('--check') ? report() : await install();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(threeLines(error));
  process.exitCode = 11;
}
