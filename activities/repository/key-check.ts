// Looks at the configured keys: private ones are readable, strong enough and fit each other, those in KMS are used.
import type { KeySetConfiguration, KmsKeyConfiguration } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { kmsRegionOf } from '../../domain/key-ids.ts';
import type { RepositoryContext } from './context.ts';
import { isKmsFailure, probeKmsKey } from './kms-keys.ts';
import { activeKmsKeys, checkPrivateKeys, readRecipients } from './recipients.ts';
import { requireSignerTrusted } from './signing.ts';
import { failedFinding } from './stored-check.ts';

/** Findings for each set of keys, and one for the signing key. */
export async function checkKeys({ configuration, platform }: RepositoryContext): Promise<readonly Finding[]> {
  const { keys, tlsKeys, signing } = configuration;
  const found = await Promise.all([
    lookAtSet('repository.keys', keys, platform),
    tlsKeys === undefined ? [] : lookAtSet('repository.tlsKeys', tlsKeys, platform),
    look('repository.signing', () => requireSignerTrusted(signing)),
  ]);
  return found.flat();
}

// Writing needs public keys alone, so a private key that opens nothing stops no backup: it is told with each of them.
// One that everybody can read is refused all the same, because going on would leave it open.
async function lookAtSet(subject: string, set: KeySetConfiguration, platform: string): Promise<readonly Finding[]> {
  const recipients = await look(subject, () => describeRecipients(set));
  if (recipients.level === 'failed') return [recipients];
  const kms = await Promise.all(activeKmsKeys(set).map((key) => lookAtKmsKey(key, platform)));
  const byKms = kms.some(({ level }) => level === 'ok');
  const held = await look(subject, () => describePrivateKeys(set, byKms));
  const isFatal = held.level !== 'failed' || held.code === 'FILE_TOO_OPEN';
  return [recipients, isFatal ? held : cannotOpen(held, byKms), ...kms];
}

function cannotOpen(held: Finding, byKms: boolean): Finding {
  const what = byKms
    ? 'only KMS opens backups here'
    : 'backups are taken, and this worker can open and prove NONE of them';
  const mend = "give it the private key of a recipient; see 'dr keys show'";
  return { ...held, level: 'warning', message: `${what}: ${held.message}`, mend };
}

/** The probe of a key that never leaves KMS. It stops no backup; a verification takes what it finds for a failure. */
async function lookAtKmsKey(key: KmsKeyConfiguration, platform: string): Promise<Finding> {
  const subject = `KMS key ${key.name}`;
  const mend = `aws kms describe-key --key-id ${key.arn} --region ${kmsRegionOf(key.arn)}`;
  try {
    if (await probeKmsKey(key, platform))
      return { level: 'ok', subject, message: 'what is encrypted for it is opened again', code: null };
    const message = 'this account may encrypt for it and not decrypt: it was not tried whether it opens';
    return { level: 'warning', subject, message, code: 'ACCESS_DENIED', mend: `allow kms:Decrypt of ${key.arn}` };
  } catch (error) {
    const found = failedFinding(subject, error);
    if (!isKmsFailure(error)) return { ...found, mend };
    return { ...found, level: 'warning', message: `${found.message}; what is backed up now is not for it`, mend };
  }
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

const describePrivateKeys = async (set: KeySetConfiguration, byKms: boolean): Promise<string> => {
  if (await checkPrivateKeys(set)) return 'this worker can decrypt';
  return byKms ? 'this worker can decrypt, by KMS' : 'this worker cannot decrypt';
};
