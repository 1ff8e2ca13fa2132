// Looks at the configured keys without using them: readable, strong enough, and fitting each other.
import type { KeySetConfiguration } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { RepositoryContext } from './context.ts';
import { checkPrivateKeys, readRecipients } from './recipients.ts';
import { requireSignerTrusted } from './signing.ts';
import { failedFinding } from './stored-check.ts';

/** Findings for each set of keys, and one for the signing key. */
export async function checkKeys({ configuration }: RepositoryContext): Promise<readonly Finding[]> {
  const { keys, tlsKeys, signing } = configuration;
  const found = await Promise.all([
    lookAtSet('repository.keys', keys),
    tlsKeys === undefined ? [] : lookAtSet('repository.tlsKeys', tlsKeys),
    look('repository.signing', () => requireSignerTrusted(signing)),
  ]);
  return found.flat();
}

// Writing needs public keys alone, so a private key that opens nothing stops no backup: it is told with each of them.
// One that everybody can read is refused all the same, because going on would leave it open.
async function lookAtSet(subject: string, set: KeySetConfiguration): Promise<readonly Finding[]> {
  const recipients = await look(subject, () => describeRecipients(set));
  if (recipients.level === 'failed') return [recipients];
  const held = await look(subject, () => describePrivateKeys(set));
  return [recipients, held.level === 'failed' && held.code !== 'FILE_TOO_OPEN' ? cannotOpen(held) : held];
}

function cannotOpen(held: Finding): Finding {
  const message = `backups are taken, and this worker can open and prove NONE of them: ${held.message}`;
  return { ...held, level: 'warning', message, mend: "give it the private key of a recipient; see 'dr keys show'" };
}

async function look(subject: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { level: 'ok', subject, message: await work(), code: null };
  } catch (error) {
    const mend =
      error instanceof Failure && error.code === 'FILE_TOO_OPEN' ? `chmod 600 ${error.details.path}` : 'dr keys';
    return { ...failedFinding(subject, error), mend };
  }
}

const describeRecipients = async (set: KeySetConfiguration): Promise<string> =>
  `encrypts for ${(await readRecipients(set)).map(({ name }) => name).join(', ')}`;

const describePrivateKeys = async (set: KeySetConfiguration): Promise<string> =>
  (await checkPrivateKeys(set)) ? 'this worker can decrypt' : 'this worker cannot decrypt';
