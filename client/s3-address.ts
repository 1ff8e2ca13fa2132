// s3://bucket/prefix/?region=…&endpoint=… to the settings of a tier.
import { Failure } from '../domain/failures.ts';

/** Settings of an S3 tier; the account comes from the environment of the workers. @throws {Failure} USAGE. */
export function s3Settings(address: string): Record<string, string> {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || url.protocol !== 's3:' || url.hostname === '' || url.username !== '') {
    throw new Failure(
      'USAGE',
      'an S3 tier is given as s3://BUCKET[/PREFIX/][?region=…&endpoint=…], without an account',
    );
  }
  const prefix = url.pathname.replace(/^\//, '');
  const optional = {
    prefix,
    region: url.searchParams.get('region') ?? '',
    endpoint: url.searchParams.get('endpoint') ?? '',
  };
  return {
    bucket: url.hostname,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== '')),
    accessKeyId: '${env:AWS_ACCESS_KEY_ID}',
    secretAccessKey: '${env:AWS_SECRET_ACCESS_KEY}',
  };
}
