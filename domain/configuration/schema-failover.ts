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

const lease = z
  .strictObject({
    length: duration.default('60s').describe('how long the services go on while no store of the lease is reached'),
    stores: z
      .array(path)
      .length(2)
      .describe('two folders at different places, each inside what is mounted: one that is not there is never made'),
  })
  .describe('opt-in: a site that reaches neither store for so long stops itself, whether or not anybody took over');

export const quiesce = z
  .strictObject({
    commands: commands.describe("run by the site's worker, side by side; each has to be harmless when repeated"),
    undo: commands.describe('let clients in again: when a planned failover is taken back, and when the site opens'),
    limit: limit.describe('a command that has not ended by then has failed'),
  })
  .describe(
    'keeps clients out of the site while its stores serve Holdfast, for example at the load balancer or firewall',
  );

export const agent = z
  .strictObject({
    start: commands.describe(
      'start the stores and services of this site; run while it is the active one; each has to be harmless when repeated',
    ),
    fence: commands
      .optional()
      .describe("stop them, on the site's own machine; default: the commands of fence, where those do it from here"),
    limit: limit.describe('a command that has not ended by then has failed, and is tried again'),
    witnessDirectory: path
      .optional()
      .describe("the witness's folder as this site sees it, for example a mount; default: witness.directory"),
    every: duration.default('5s').describe('from one look at the epochs to the next'),
    lease: lease.optional(),
  })
  .describe("what 'dr agent' runs at this site: nothing starts before the epochs say that the site is the active one");

export const failover = z.strictObject({
  approvals: z.int().min(1).default(2).describe('how many different people have to sign a failover'),
  approvers: z
    .array(z.strictObject({ name: slug, publicKey: path.describe('Ed25519 public key, PEM') }))
    .default([])
    .describe('who may sign, and with which key'),
});
