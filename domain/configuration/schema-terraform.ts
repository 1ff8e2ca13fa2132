// Settings of Terraform: what a site is made from, and where the state and its lock are kept.
import { z } from 'zod';
import { path, secret } from './values.ts';

const backend = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('s3'),
      bucket: z
        .string()
        .min(3)
        .describe('at the witness and without versions: a lock is an object that comes and goes'),
      key: z.string().min(1).describe('name of the state in it; its lock is <key>.tflock'),
      region: z.string().default('us-east-1'),
      endpoint: z.url().optional(),
      accessKeyId: secret
        .optional()
        .describe("the account of the state; the configuration's AWS providers find it too"),
      secretAccessKey: secret.optional(),
    }),
    z.strictObject({ kind: z.literal('local'), path: path.describe('the state file; its lock is beside it') }),
  ])
  .describe('as the configuration declares it: backend "s3" {} or backend "local" {}');

export const terraform = z.strictObject({
  directory: path.describe(
    'the configuration; the worker may write there: Terraform keeps a state it cannot send there',
  ),
  backend,
  variables: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]*$/, 'a variable is letters, digits, _ and -'), z.json())
    .default({})
    .describe('given as a file; a value may be a secret reference'),
  variableFiles: z.array(path).default([]).describe('further files of variables, read before those above'),
  stateful: z
    .array(z.string().min(1))
    .default([])
    .describe('types or addresses that hold data besides the known ones: never destroyed or replaced'),
  program: path.optional().describe('default: the first of terraform and tofu on PATH that is 1.11 or newer'),
  providers: path.optional().describe('file-system mirror of the providers; without it only built-in ones are found'),
});
