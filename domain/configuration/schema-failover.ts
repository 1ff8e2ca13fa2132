// Settings of a failover: who approves it, how clients are kept out of a site, and how a site is cut off.
import { z } from 'zod';
import { argv, duration, path, slug } from './values.ts';

const commands = z.array(argv).min(1);
const limit = duration.default('60s');

export const fence = z
  .strictObject({
    commands: commands.describe('run at the witness, side by side; each has to be harmless when repeated'),
    undo: commands
      .optional()
      .describe('start the site again when a planned failover is taken back; without them none can be begun'),
    limit: limit.describe('a command that has not ended by then proves nothing'),
  })
  .describe('cuts the site off when another one takes over, for example by the cloud, the network or the supervisor');

export const quiesce = z
  .strictObject({
    commands: commands.describe("run by the site's worker, side by side; each has to be harmless when repeated"),
    undo: commands.describe('let clients in again: when a planned failover is taken back, and when the site opens'),
    limit: limit.describe('a command that has not ended by then has failed'),
  })
  .describe(
    'keeps clients out of the site while its stores serve Holdfast, for example at the load balancer or firewall',
  );

export const failover = z.strictObject({
  approvals: z.int().min(1).default(2).describe('how many different people have to sign a failover'),
  approvers: z
    .array(z.strictObject({ name: slug, publicKey: path.describe('Ed25519 public key, PEM') }))
    .default([])
    .describe('who may sign, and with which key'),
});
