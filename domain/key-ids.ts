// How a key that opens backups is named: a private key by the hash of its public half, a key in AWS KMS by its ARN.

const SHA256 = '[0-9a-f]{64}';
const KMS_ARN = 'arn:aws(?:-[a-z]+)*:kms:([a-z0-9-]+):\\d{12}:key/[A-Za-z0-9-]{1,128}';

/** A key's id, as manifests and checkpoints hold it. */
export const KEY_ID = new RegExp(`^(?:${SHA256}|${KMS_ARN})$`);
/** The ARN of a key, not of an alias: an alias may point at another key tomorrow. */
export const KMS_KEY = new RegExp(`^${KMS_ARN}$`);

/** The region that a KMS key lives in, or null when the id is not that of a KMS key. */
export function kmsRegionOf(keyId: string): string | null {
  return KMS_KEY.exec(keyId)?.[1] ?? null;
}

/** Enough of an id for a person to know the key by. */
export function shortKeyId(keyId: string): string {
  return kmsRegionOf(keyId) === null ? keyId.slice(0, 8) : keyId;
}
