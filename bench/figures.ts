// Every figure of the benchmark and its bar. A figure is met when its value is at most its bar: rates are kept as time
// per unit. docs/BENCHMARKS.md explains each one, and a test holds that page to these names.

export type MeasurementName = 'command' | 'empty-platform' | 'memory' | 'physical' | 'redis' | 'rabbitmq' | 'status';

export interface Figure {
  readonly name: string;
  readonly title: string;
  readonly unit: 'ratio' | 's' | 'ms' | 'MiB' | 'µs per message';
  readonly bar: number;
  /** What measures it; several figures may come out of one measurement. */
  readonly measurement: MeasurementName;
}

const figure = (
  measurement: MeasurementName,
  name: string,
  [bar, unit]: readonly [number, Figure['unit']],
  title: string,
): Figure => ({ name, title, unit, bar, measurement });

export const FIGURES: readonly Figure[] = [
  figure('command', 'dr-help', [200, 'ms'], 'dr --help'),
  figure('empty-platform', 'empty-platform', [15, 's'], 'dr backup --all, empty platform'),
  figure('empty-platform', 'empty-platform-quick', [5, 's'], 'the same without broker messages, no Redis delay'),
  figure('memory', 'worker-idle', [256, 'MiB'], 'worker, idle'),
  figure('memory', 'worker-backup-300mb', [128, 'MiB'], 'more while it backs up 300 MB'),
  figure('memory', 'worker-backup-3gb', [128, 'MiB'], 'more while it backs up 3 GB'),
  figure('memory', 'worker-restore-300mb', [128, 'MiB'], 'more while it restores 300 MB'),
  figure('memory', 'worker-restore-3gb', [128, 'MiB'], 'more while it restores 3 GB'),
  figure('memory', 'worker-growth', [1.1, 'ratio'], 'peak with 3 GB / peak with 300 MB'),
  figure('physical', 'backup-vs-pgbackrest', [0.9, 'ratio'], "physical backup / pgBackRest's two"),
  figure('physical', 'backup-vs-script', [0.4, 'ratio'], 'physical backup / gzip | openssl, S3 copy'),
  figure('physical', 'backup-vs-pipe', [1.25, 'ratio'], 'physical backup / zstd | cipher > file'),
  figure('physical', 'restore-vs-pgbackrest', [1, 'ratio'], "restore into place / pgBackRest's"),
  figure('redis', 'redis-vs-rdb', [1.2, 'ratio'], 'Redis backup / redis-cli --rdb | zstd'),
  figure('rabbitmq', 'rabbitmq-drain', [1e6 / 15_000, 'µs per message'], 'drained from the clone, 1 KiB'),
  figure('rabbitmq', 'rabbitmq-restore', [1e6 / 10_000, 'µs per message'], 'restored with confirms, 1 KiB'),
  figure('rabbitmq', 'rabbitmq-pause', [1, 'ratio'], "live broker's pause / its limit"),
  figure('status', 'status-two-sites', [3, 's'], 'dr status, two sites, 1,000 backups'),
  figure('status', 'status-silent-site', [8, 's'], 'the same with the other site silent'),
];

/** The measurements that words name, by their own name or a figure's; all without a word. @throws {Error} for an unknown word. */
export function chosenMeasurements(words: readonly string[]): ReadonlySet<MeasurementName> {
  const unknown = words.find((word) => !FIGURES.some((one) => isNamed(one, word)));
  if (unknown !== undefined)
    throw new Error(
      `no figure '${unknown}': known are ${FIGURES.map(({ name }) => name).join(', ')}, and the measurements ${[...new Set(FIGURES.map(({ measurement }) => measurement))].join(', ')}`,
    );
  const chosen = FIGURES.filter((one) => words.length === 0 || words.some((word) => isNamed(one, word)));
  return new Set(chosen.map(({ measurement }) => measurement));
}

const isNamed = ({ name, measurement }: Figure, word: string): boolean => name === word || measurement === word;
