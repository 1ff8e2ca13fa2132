import { expect, test } from 'vitest';
import { count, Screen, size, table, time } from '../../../local/demo/screen.ts';

function sinkOf(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 60, write: (text: string) => written.push(text), written };
}

test('figures are written as a person reads them', () => {
  expect([count(1_367_000), size(0), size(999), size(1500), size(341_000_000)]).toEqual([
    '1,367,000',
    '0 B',
    '999 B',
    '1.5 kB',
    '341 MB',
  ]);
  expect([800, 42_400, 185_000, 1_800_000, 7_200_000].map(time)).toEqual([
    '0.8 s',
    '42 s',
    '3 min 05 s',
    '30 min',
    '2 h',
  ]);
});

test('bars on a terminal are redrawn in place, at most five times a second, and never wider than it', () => {
  const sink = sinkOf(true);
  const bars = new Screen(sink, {}).bars();
  for (let done = 0; done <= 1000; done += 1) bars.update('Redis', done, 1000);
  bars.end();
  expect(sink.written.length).toBeLessThanOrEqual(4);
  expect(sink.written.at(-1)).toContain('100 %');
  expect(sink.written.at(-1)).toContain('\x1b[1A');
  for (const text of sink.written)
    for (const line of text.split('\n')) expect(line.replaceAll(/\x1b\[\w+|\r/g, '').length).toBeLessThan(60);
});

test('without a terminal a bar is a line when it is full, without control characters', () => {
  const sink = sinkOf(false);
  const screen = new Screen(sink, {});
  const bars = screen.bars();
  for (let done = 0; done <= 1000; done += 1) bars.update('Redis', done, 1000);
  bars.end();
  screen.good('done');
  expect(sink.written).toEqual(['  Redis: 1,000 of 1,000\n', '  ok  done\n']);
});

test('NO_COLOR takes the colours from a terminal and leaves the bars', () => {
  const sink = sinkOf(true);
  const screen = new Screen(sink, { NO_COLOR: '1' });
  screen.chapter('Back up');
  screen.bad('lost');
  expect(sink.written.join('')).toBe('\nBack up\n  NO  lost\n');
});

test('a table aligns words to the left and figures to the right', () => {
  const rows = [
    ['system', 'size', 'time', 'contents'],
    ['redis', '9 MB', '0.4 s', '2 databases, 9 keys'],
    ['rabbitmq', '341 MB', '1 min 05 s', '9 queues'],
  ];
  expect(table(rows)).toEqual([
    '  system      size        time  contents',
    '  redis       9 MB       0.4 s  2 databases, 9 keys',
    '  rabbitmq  341 MB  1 min 05 s  9 queues',
  ]);
});
