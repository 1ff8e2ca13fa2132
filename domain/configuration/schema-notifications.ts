// Settings of the channels through which people and machines outside are told.
import { z } from 'zod';
import { secret, slug } from './values.ts';

export const notification = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    name: slug,
    url: z.url(),
    secret: secret.describe('signs every event (HMAC-SHA256, Standard Webhooks)'),
    level: z.enum(['info', 'warning', 'alarm']).default('info'),
  }),
  z.strictObject({
    kind: z.literal('slack'),
    name: slug,
    url: secret.describe("the incoming webhook's address; it is a secret"),
    level: z.enum(['info', 'warning', 'alarm']).default('warning'),
  }),
]);
