// The account of a service that speaks AWS's protocols: by reference in the configuration, or found as AWS's own tools do.
import { resolveSecret } from './secrets.ts';

export interface AwsAccount {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/** The client option `credentials`, read at each use; nothing when the configuration names none. */
export function credentialsOf({ accessKeyId, secretAccessKey }: AwsAccount) {
  if (accessKeyId === undefined || secretAccessKey === undefined) return {};
  return {
    credentials: async () => ({
      accessKeyId: await resolveSecret(accessKeyId),
      secretAccessKey: await resolveSecret(secretAccessKey),
    }),
  };
}
