// The demo's story: load, back up, verify, destroy, restore, compare.
import type { BackUpPlatformResult, RestoreSystemResult, VerifyBackupsResult } from '../../workflows/messages.ts';
import { type Checksums, differences, siteChecksums, systemChecksums } from '../checksums.ts';
import { loadDataset } from '../dataset.ts';
import type { RunningPlatform } from '../platform.ts';
import type { RunningSite } from '../site.ts';
import { protectedTable, type Recovered, recoveredTable } from './closing-table.ts';
import { drainQueue } from './drain.ts';
import { DRAINED, LOSSES, type Loss } from './losses.ts';
import type { Product } from './product.ts';
import { count, type Screen, time } from './screen.ts';

export interface StorySpec {
  readonly platform: RunningPlatform;
  readonly product: Product;
  readonly screen: Screen;
  readonly scale: number;
}

/** Tells the whole story. @returns false when something is not as it was. @throws when a command fails. */
export async function tellStory(spec: StorySpec): Promise<boolean> {
  const { platform, product, screen } = spec;
  const size = { scale: spec.scale, seed: 1 };
  await load(platform.site, screen, size);
  const before = await measure(platform.site, screen);
  const { backups, report } = await backUp(product, screen);
  await verify(product, screen);
  const recovered: Recovered[] = [];
  for (const loss of LOSSES) recovered.push(await loseAndRestore(spec, loss, before));
  const whole = await compare(platform.site, screen, before);
  const drained = await drain(platform.site, screen, size);
  screen.chapter('What was protected');
  for (const line of protectedTable(backups, report)) screen.line(line);
  screen.chapter('What was lost and came back');
  for (const line of recoveredTable(recovered)) screen.line(line);
  return whole && drained && recovered.every(({ same }) => same);
}

export async function load(site: RunningSite, screen: Screen, size: { scale: number; seed: number }): Promise<void> {
  screen.chapter('Load data: rows, keys and messages');
  const started = Date.now();
  const bars = screen.bars();
  const titles = { postgres: 'PostgreSQL', redis: 'Redis', rabbitmq: 'RabbitMQ' } as const;
  await loadDataset(site.access, {
    ...size,
    onProgress: (store, done, total) => bars.update(titles[store], done, total),
  });
  bars.end();
  screen.good(`loaded in ${time(Date.now() - started)}`);
}

export async function measure(site: RunningSite, screen: Screen): Promise<Checksums> {
  screen.chapter('Count and checksum everything, without Holdfast');
  const started = Date.now();
  const found = await siteChecksums(site);
  screen.good(`${told(found)} in ${time(Date.now() - started)}`);
  return found;
}

export function told({ postgres, redis, rabbitmq, config, tls }: Checksums): string {
  const sum = (part: Readonly<Record<string, object>>, fact: string) =>
    Object.values(part).reduce((total, facts) => total + Number(new Map(Object.entries(facts)).get(fact) ?? 0), 0);
  const files = Object.keys(config).length + Object.keys(tls).length;
  return `${count(sum(postgres, 'rows'))} rows, ${count(sum(redis, 'keys'))} keys, ${count(sum(rabbitmq, 'messages'))} messages and ${files} files`;
}

export async function backUp(product: Product, screen: Screen): Promise<BackUpPlatformResult> {
  const words = ['backup', '--all'];
  screen.chapter(`Back everything up:  ${product.typed(words)}`);
  const { value, milliseconds } = await product.dr<BackUpPlatformResult>(words);
  for (const { system, kind, message } of value.failed) screen.bad(`${system} ${kind}: ${message}`);
  screen.good(`${value.backups.length} backups in ${time(milliseconds)}`);
  return value;
}

export async function verify(product: Product, screen: Screen): Promise<void> {
  const words = ['verify'];
  screen.chapter(`Prove the backups (read every byte, restore into scratch, compare):  ${product.typed(words)}`);
  const { value, milliseconds } = await product.dr<VerifyBackupsResult>(words);
  for (const { backup, kind, verdict } of value.backups) {
    const line = `${backup.system} ${kind}: ${verdict}`;
    if (verdict === 'failed') screen.bad(line);
    else screen.good(line);
  }
  screen.good(`verified in ${time(milliseconds)}`);
}

async function loseAndRestore(spec: StorySpec, loss: Loss, before: Checksums): Promise<Recovered> {
  const { platform, product, screen } = spec;
  const { system, act } = loss;
  screen.chapter(`Destroy:  ${act}`);
  await loss.destroy(platform.site);
  const lostAt = Date.now();
  for (const line of await changes(spec, loss, before)) screen.line(`  lost  ${line}`);
  const words = ['restore', ...loss.restore, '--confirm', platform.name];
  screen.line(`  ${screen.paint('bold', product.typed(words))}`);
  await product.dr<RestoreSystemResult>(words);
  const milliseconds = Date.now() - lostAt;
  const left = await changes(spec, loss, before);
  for (const line of left) screen.bad(line);
  if (left.length === 0) screen.good(`back after ${time(milliseconds)}, and the same by every count and checksum`);
  return { system, act, milliseconds, same: left.length === 0 };
}

async function changes({ platform }: StorySpec, { system }: Loss, before: Checksums): Promise<string[]> {
  const now = { ...before, [system]: await systemChecksums(platform.site, system) };
  return differences(before, now);
}

async function compare(site: RunningSite, screen: Screen, before: Checksums): Promise<boolean> {
  screen.chapter('Compare everything with what was there before');
  const now = await siteChecksums(site);
  const found = differences(before, now);
  for (const line of found) screen.bad(line);
  if (found.length === 0) screen.good(`${told(now)}: no difference`);
  return found.length === 0;
}

async function drain(site: RunningSite, screen: Screen, size: { scale: number; seed: number }): Promise<boolean> {
  screen.chapter(`Let an application take the restored queue's work (${DRAINED.vhost}/${DRAINED.queue})`);
  const { expected, taken, firstWrong } = await drainQueue(site.access.rabbitmq, DRAINED, size);
  const good = taken === expected && firstWrong === null;
  if (good) screen.good(`${count(taken)} messages, each as published and in order`);
  else screen.bad(`${count(taken)} of ${count(expected)} messages; first wrong one: ${firstWrong ?? 'none'}`);
  return good;
}
