// Adds to package-lock.json what npm leaves out when a registry (a mirror, say) does not offer the packages of other
// platforms: without them `npm ci` refuses the lock file everywhere. Run it after `npm install`, where a test asks for it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, '..', 'package-lock.json');
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];

/** Packages for other platforms that some package of the lock file may use and that it does not hold. */
function missingOptionals(packages) {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {}, dev }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !packages[`${path}/node_modules/${name}`] && !packages[`node_modules/${name}`])
      .map(([name, version]) => ({ name, version, dev: dev === true })),
  );
}

// The platform is in the name, as in `core-linux-arm64-musl`; npm skips entries that are not for its own.
function entryOf({ name, version, dev }) {
  const words = name.split('/').at(-1).split('-');
  const at = words.findIndex((word) => SYSTEMS.includes(word));
  if (at < 0 || !words[at + 1]) throw new Error(`no platform in the name '${name}': add it by hand`);
  const libc = words.includes('musl') ? ['musl'] : words[at] === 'linux' && words.includes('gnu') ? ['glibc'] : null;
  return { version, cpu: [words[at + 1]], ...(dev && { dev }), ...(libc && { libc }), optional: true, os: [words[at]] };
}

if (process.argv[1] === import.meta.filename) {
  const lock = JSON.parse(readFileSync(FILE, 'utf8'));
  const missing = missingOptionals(lock.packages);
  for (const one of missing) lock.packages[`node_modules/${one.name}`] = entryOf(one);
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`${missing.length} packages of other platforms added`);
}
