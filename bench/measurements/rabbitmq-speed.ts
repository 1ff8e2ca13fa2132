// Messages of 1 KiB: drained from the clone, restored with confirms, and how long the live broker stood still.
import { randomBytes } from 'node:crypto';
import { backUpWorkflowId, restoreWorkflowId } from '../../domain/run-names.ts';
import { manage, withChannel } from '../../local/dataset/rabbitmq-data.ts';
import type { BackUpSystemResult, RestoreSystemResult } from '../../workflows/messages.ts';
import type { Bench } from '../measurement.ts';
import { secondsOf } from '../timeline.ts';

const QUEUE = 'bench';
const MESSAGE_BYTES = 1024;
const MESSAGES = 100_000;
const BATCH = 1000;

interface Captured {
  readonly report: { readonly pauseMs: number; readonly drainMs: number; readonly cloneBootMs: number };
  readonly counts: { readonly messages: number };
}

export async function measureRabbitmqSpeed(bench: Bench): Promise<void> {
  const { samples, runs, small, say } = bench;
  const messages = small ? MESSAGES / 100 : MESSAGES;
  say('publishing');
  await publish(bench, messages);
  for (let run = 1; run <= runs; run++) {
    const { report, counts } = await backUp(bench);
    if (counts.messages !== messages) throw new Error(`${counts.messages} messages were captured of ${messages}`);
    const drained = (report.drainMs * 1000) / messages;
    const restored = (await restore(bench)) / messages;
    say(
      `run ${run}: drained ${drained.toFixed(1)} µs, restored ${restored.toFixed(1)} µs a message, pause ${report.pauseMs} ms`,
    );
    samples.add('rabbitmq-drain', drained);
    samples.add('rabbitmq-restore', restored);
    samples.add('rabbitmq-pause', report.pauseMs / limitOf(bench));
    samples.tell("live broker's pause, ms", report.pauseMs);
    samples.tell('start of the clone, ms', report.cloneBootMs);
  }
}

const limitOf = ({ stage }: Bench) => stage.platform.site.rabbitmq.configuration.freezeLimitMs;

async function publish({ stage }: Bench, messages: number): Promise<void> {
  const { rabbitmq } = stage.platform.site.access;
  await manage(rabbitmq, 'PUT', `queues/%2F/${QUEUE}`, { durable: true });
  const body = randomBytes(MESSAGE_BYTES);
  await withChannel(rabbitmq, '/', async (channel) => {
    for (let first = 0; first < messages; first += BATCH) {
      for (let n = first; n < Math.min(messages, first + BATCH); n++) {
        body.writeUInt32BE(n);
        channel.sendToQueue(QUEUE, Buffer.from(body), { persistent: true, messageId: `bench-${n}` });
      }
      await channel.waitForConfirms();
    }
  });
}

async function backUp({ stage }: Bench): Promise<Captured> {
  await stage.dr('backup', 'rabbitmq', '--kind', 'messages');
  const id = backUpWorkflowId(stage.platform.name, 'rabbitmq', 'messages');
  const { backup } = await stage.resultOf<BackUpSystemResult>(id);
  const { value } = await stage.dr<Captured>('backups', 'show', `rabbitmq/${backup.backupId}`);
  return value;
}

/** @returns microseconds of the step that fills the queues. */
async function restore({ stage }: Bench): Promise<number> {
  await manage(stage.platform.site.access.rabbitmq, 'DELETE', `queues/%2F/${QUEUE}/contents`);
  await stage.dr('restore', 'rabbitmq', '--confirm', stage.platform.name);
  const id = restoreWorkflowId(stage.platform.name, 'rabbitmq');
  const { report } = await stage.resultOf<RestoreSystemResult>(id);
  return secondsOf(report, 'messages') * 1e6;
}
