// Settings of a failover: who approves it, and how a site is cut off.
import { z } from 'zod';
import { argv, duration, path, slug } from './values.ts';

export const fence = z
  .strictObject({
    commands: z.array(argv).min(1).describe('run at the witness, side by side; each has to be harmless when repeated'),
    limit: duration.default('60s').describe('a command that has not ended by then proves nothing'),
  })
  .describe('cuts the site off when another one takes over, for example by the cloud, the network or the supervisor');

export const failover = z.strictObject({
  approvals: z.int().min(1).default(2).describe('how many different people have to sign a failover'),
  approvers: z
    .array(z.strictObject({ name: slug, publicKey: path.describe('Ed25519 public key, PEM') }))
    .default([])
    .describe('who may sign, and with which key'),
});
