// dr approve RUN
import { createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type ApprovalStatement, approvalText, LONGEST_SECONDS, statementText } from '../../domain/approval.ts';
import { durationMs } from '../../domain/configuration/schema.ts';
import type { TakeoverPlan } from '../../domain/failover.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import { isTakeoverPlan } from '../../domain/run-state.ts';
import { approveFailover } from '../../workflows/messages.ts';
import type { Call, CommandSpec } from '../command.ts';
import { confirmPlatform } from '../confirm.ts';
import { visible } from '../output/human.ts';
import { planText } from '../temporal/decide.ts';
import { stateOf } from '../temporal/observe.ts';
import { type Platform, withPlatform } from '../temporal/platform.ts';

export const spec: CommandSpec = {
  name: 'approve',
  summary: "sign a failover's plan",
  args: '<run>',
  options: [
    { flags: '--as <name>', description: 'your name among failover.approvers' },
    { flags: '--key <file>', description: 'your Ed25519 private key, PEM, readable by you alone' },
    { flags: '--valid <duration>', description: 'how long the approval is good', default: '1h' },
    { flags: '--print', description: 'print the signed text for the Web UI (update approveFailover) and send nothing' },
    { flags: '--confirm <platform>', description: "the platform's name, in place of typing it" },
  ],
  examples: [
    ['dr approve failover/orders --as anna --key ~/anna.pem', 'read the plan, sign it, hand it in'],
    ['dr approve failover/orders --as anna --key ~/anna.pem --print', 'for somebody who has the Web UI only'],
  ],
  exits: ['refused', 'notFound', 'noTemporal'],
  notes: 'The approval is bound to this plan, this run and its epoch, expires, and counts once.',
  run,
};

function run(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const [id = ''] = call.args;
    const name = required(call, 'as');
    const key = await privateKey(required(call, 'key'));
    const { plan, execution } = await planOf(platform, id);
    call.output.note(planText(plan));
    await confirmPlatform(call, platform.configuration.platform, 'signing this plan');
    const text = signed(platform, { plan, run: execution, person: name, validMs: validityOf(call) }, key);
    if (call.options.flag('print')) {
      call.output.answer(text, { text });
      return EXIT.done;
    }
    return handIn(call, platform, id, text);
  });
}

function required({ options }: Call, name: string): string {
  const value = options.text(name);
  if (value === undefined) throw new Failure('USAGE', `--${name} is missing`);
  return value;
}

function validityOf({ options }: Call): number {
  const word = options.text('valid') ?? '1h';
  try {
    const milliseconds = durationMs(word);
    if (milliseconds > 0 && milliseconds <= LONGEST_SECONDS * 1000) return milliseconds;
  } catch {
    // Told below, as a duration out of its limits is.
  }
  throw new Failure('USAGE', `--valid '${visible(word)}' is not a duration of up to a day, for example 1h`);
}

async function privateKey(path: string): Promise<KeyObject> {
  const pem = await readPrivateFile(path);
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // The cause could quote the key.
  }
  throw new Failure('USAGE', `'${visible(path)}' is not an Ed25519 private key in PEM`);
}

async function readPrivateFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause) => {
    throw new Failure('USAGE', `key file '${visible(path)}' cannot be read`, {}, cause);
  });
  try {
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0) throw new Failure('FILE_TOO_OPEN', `key file '${path}' can be read by others`, { path });
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

// The query comes first: it finds a run that is not there.
async function planOf({ temporal }: Platform, id: string) {
  const handle = temporal.client.workflow.getHandle(id);
  const { runId } = await temporal.ask(() => handle.describe());
  const plan = (await stateOf(temporal, id, runId))?.plan ?? null;
  if (plan !== null && isTakeoverPlan(plan)) return { plan, execution: `${id}/${runId}` };
  throw new Failure('APPROVAL_REFUSED', `run '${visible(id)}' has no failover plan to approve`);
}

interface Wish {
  readonly plan: TakeoverPlan;
  readonly run: string;
  readonly person: string;
  readonly validMs: number;
}

function signed({ configuration }: Platform, { plan, run, person, validMs }: Wish, key: KeyObject): string {
  const says: ApprovalStatement = {
    ...{ format: 1, platform: configuration.platform, run, digest: plan.digest, epoch: plan.epoch.next },
    ...{ action: plan.action, person, nonce: randomBytes(16).toString('hex') },
    expires: new Date(Date.now() + validMs).toISOString(),
  };
  const statement = statementText(says);
  return approvalText({ statement, signature: sign(null, Buffer.from(statement), key).toString('base64') });
}

async function handIn({ output }: Call, { temporal }: Platform, id: string, text: string): Promise<number> {
  const handle = temporal.client.workflow.getHandle(id);
  const soFar = await temporal.ask(() => handle.executeUpdate(approveFailover, { args: [{ text }] }));
  const { people, needed } = soFar;
  output.answer(`approved by ${people.map(visible).join(', ')}: ${people.length} of ${needed}`, soFar);
  return EXIT.done;
}
