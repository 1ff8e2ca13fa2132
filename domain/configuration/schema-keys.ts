// Who can open backups: private keys that lie in files, and keys that AWS KMS never gives out.
import { z } from 'zod';
import { KMS_KEY } from '../key-ids.ts';
import { path, secret, slug } from './values.ts';

const kmsKey = z.strictObject({
  name: slug,
  arn: z
    .string()
    .regex(KMS_KEY, 'a KMS key is named by its whole ARN; an alias may point at another key tomorrow')
    .describe('the key, for example arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'),
  endpoint: z.url().optional().describe("default: AWS's own in the key's region"),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
  retired: z
    .boolean()
    .default(false)
    .describe("nothing new is wrapped for it; it still opens what is stored until 'dr keys rotate' is done"),
});

/** The keys of one domain: data, or certificates. */
export const keySet = z.strictObject({
  recipients: z
    .array(z.strictObject({ name: slug, publicKey: path.describe('RSA public key, PEM, 4096 bits') }))
    .refine(
      (recipients) => recipients.length > 0,
      'at least one public key is needed: KMS alone would take every backup along when its account is lost',
    ),
  kms: z
    .array(kmsKey)
    .default([])
    .describe(
      'keys in AWS KMS that open the backups too: writers need kms:Encrypt, who verifies and restores kms:Decrypt',
    ),
  private: z
    .array(z.strictObject({ name: slug, key: secret }))
    .default([])
    .describe('private keys of recipients, on workers that verify and restore'),
});
