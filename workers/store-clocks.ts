// How far each store's clock is from this machine's: times decide what is newest and what is too old.
import { liveReach, withSession } from '../activities/postgres/connection.ts';
import { withStore } from '../activities/redis/client.ts';
import type { ClockSkew } from '../domain/clocks.ts';
import type { SiteConfiguration } from '../domain/configuration/schema.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { Failure } from '../domain/failures.ts';
import { SYSTEM_NAMES, SYSTEMS, type SystemName } from '../domain/systems.ts';
import { look } from './within.ts';

type Settings<S extends SystemName> = NonNullable<SiteConfiguration[S]>;
type Stores = Omit<SiteConfiguration, 'applications'>;
/** Reads a store's clock in milliseconds since 1970; null when it does not tell. */
type Clock = () => Promise<number | null>;

const LIMIT_MS = 3000;

/** How far each clock of a site's stores is from this machine's. A store that does not tell in time is left out. */
export async function clocksOf(site: Stores): Promise<readonly ClockSkew[]> {
  const looks = await Promise.all(
    SYSTEM_NAMES.map(async (system) => ({ system, skew: await look(LIMIT_MS, () => skewOf(site, system)) })),
  );
  return looks.flatMap(({ system, skew }) =>
    'seen' in skew && skew.seen !== null ? [{ source: SYSTEMS[system].title, skewMs: skew.seen }] : [],
  );
}

/** Null for a system without a clock of its own, and for a clock that does not tell. */
async function skewOf(site: Stores, system: SystemName): Promise<number | null> {
  const clock = clockOf(site, system);
  if (clock === null) return null;
  const before = Date.now();
  const theirs = await clock();
  return theirs === null ? null : theirs - (before + Date.now()) / 2;
}

/** One finding about the store's clock; none for a system without a clock of its own. */
export async function checkClock(site: Stores, system: SystemName): Promise<readonly Finding[]> {
  const skewMs = await skewOf(site, system);
  return skewMs === null ? [] : [clockFinding(skewMs)];
}

function clockOf({ postgres, redis, rabbitmq }: Stores, system: SystemName): Clock | null {
  if (system === 'postgres' && postgres) return () => postgresClock(postgres);
  if (system === 'redis' && redis) return () => redisClock(redis);
  return system === 'rabbitmq' && rabbitmq ? () => rabbitmqClock(rabbitmq) : null;
}

const SKEW = { warning: 2000, failed: 60_000 };

// An HTTP header has whole seconds, so up to one of them means nothing.
function clockFinding(skewMs: number): Finding {
  const message = `${(skewMs / 1000).toFixed(1)} s from this machine's`;
  const apart = Math.abs(skewMs);
  if (apart <= SKEW.warning) return { level: 'ok', subject: 'clock', message, code: null };
  const level = apart > SKEW.failed ? 'failed' : 'warning';
  return { level, subject: 'clock', message, code: 'CLOCK_SKEWED', mend: 'timedatectl set-ntp true' };
}

async function postgresClock(settings: Settings<'postgres'>): Promise<number> {
  const reach = liveReach(settings);
  const { seconds } = await withSession(reach, reach.database, (session) =>
    session.row<{ seconds: string }>('select extract(epoch from clock_timestamp())::text as seconds'),
  );
  return Number(seconds) * 1000;
}

async function redisClock(settings: Settings<'redis'>): Promise<number> {
  const [seconds, micros] = await withStore(settings, (redis) => redis.time());
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

// The management API tells the time in its HTTP header, without a log-in.
async function rabbitmqClock({ management }: Settings<'rabbitmq'>): Promise<number | null> {
  const answer = await fetch(management, { method: 'HEAD', signal: AbortSignal.timeout(5000) }).catch((cause) => {
    throw new Failure('STORE_UNREACHABLE', `the management API at '${management}' does not answer`, {}, cause);
  });
  const time = Date.parse(answer.headers.get('date') ?? '');
  return Number.isNaN(time) ? null : time;
}
