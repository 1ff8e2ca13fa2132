// TLS certificates with their keys and chains: backed up on change, judged wherever they are read.
import { durationMs, type SystemConfiguration } from '../../domain/configuration/schema.ts';
import type { CertificateWatch } from '../../domain/contracts/certificate-watch.ts';
import type { Finding, ProtectedSystem, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import { Failure, isFailureCode } from '../../domain/failures.ts';
import type { FileCollection } from '../files/collection.ts';
import { createFileStore } from '../files/file-store.ts';
import { isAbsent } from '../files/place.ts';
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import { certificateCollection } from './certificate-collection.ts';
import { waitForChange } from './watch.ts';

export type TlsActivities = ProtectedSystem & CertificateWatch;

const LONGEST_WATCH_MS = 30 * 60_000;

/** The activities `tls.<verb>` of one site. `now` and `longestWatchMs` are for tests. */
export function createTls(
  deps: SystemDependencies<SystemConfiguration<'tls'>>,
  { now = () => new Date(), longestWatchMs = LONGEST_WATCH_MS } = {},
): TlsActivities {
  const clocks = deps.clocks ?? (async () => []);
  const collection = certificateCollection(deps.platform, deps.configuration, { now, clocks });
  const store = createFileStore(deps, { collection, admit });
  const times = { everyMs: durationMs(deps.configuration.watchEvery), longestMs: longestWatchMs };
  return {
    ...store,
    inspect: async (input) => {
      const facts = await store.inspect(input);
      return { ...facts, findings: [...facts.findings, ...(await openKeys(collection))] };
    },
    waitForChange: (input) => waitForChange(collection, input, times),
  };
}

// Putting back a certificate that clients refuse trades one outage for another: only on the operator's word.
function admit({ options }: RestoreRequest, findings: readonly Finding[]): void {
  const worst = findings.find(({ level }) => level === 'failed');
  if (worst === undefined || options.allowUnfit === 'yes') return;
  const code = isFailureCode(worst.code) ? worst.code : 'CERTIFICATE_UNFIT';
  // Refused by a clock that is itself in doubt: the person must know.
  const doubt = findings.filter((one) => one.code === 'CLOCK_SKEWED').map(({ message }) => `; ${message}`);
  throw new Failure(code, `the stored ${worst.subject} ${worst.message}${doubt.join('')}`);
}

async function openKeys(collection: FileCollection): Promise<Finding[]> {
  const { paths } = await collection.list();
  const found: Finding[] = [];
  for (const path of paths.filter((one) => one.endsWith('/key.pem'))) {
    if (!(await isOpenToAll(collection, path))) continue;
    const message = 'can be read by every user of this machine';
    found.push({ level: 'warning', subject: `key "${path}"`, message, code: 'FILE_TOO_OPEN' });
  }
  return found;
}

async function isOpenToAll(collection: FileCollection, path: string): Promise<boolean> {
  return collection.withPlace(path, false, async (place) => {
    if (place === null) return false;
    const stat = await place.folder.lstat(place.name).catch((error) => {
      if (isAbsent(error)) return null;
      throw error;
    });
    return stat !== null && (Number(stat.mode) & 0o004) !== 0;
  });
}
