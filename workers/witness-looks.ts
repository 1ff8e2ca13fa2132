// One look of the witness: every probe at the same time, each within its limit, each through the name that clients use.
import { type NameServers, resolveName } from '../activities/dns/resolve.ts';
import { type ProbeResult, probe, probeHost, probeName } from '../activities/probes/index.ts';
import { type Configuration, durationMs } from '../domain/configuration/schema.ts';
import type { WatchRules } from '../domain/outage-watch.ts';
import { look } from './within.ts';

type Looked = Pick<Configuration, 'witness' | 'dns'>;

/** Looks once at everything. Never throws: what fails is a result. */
export function lookAround({ witness, dns }: Looked): Promise<readonly ProbeResult[]> {
  const servers: NameServers = {
    zone: dns?.name ?? null,
    authoritative: dns?.authoritativeServers ?? [],
    resolvers: dns?.resolvers ?? [],
  };
  const looks = witness.probes.map(async (one) => {
    const seen = await look(durationMs(one.within), () => probe(one, (host) => resolveName(host, servers)));
    return 'seen' in seen ? seen.seen : { probe: probeName(one), isWell: false, words: seen.unseen.message };
  });
  return Promise.all(looks);
}

/** Who looks at what: `the probe of app.orders.example`. */
export function probedBy({ witness }: Looked): string {
  return `the probe of ${[...new Set(witness.probes.map(probeHost))].join(', ')}`;
}

/** What makes an outage of looks. */
export function watchRules({ every, downAfter, clean, probes }: Looked['witness']): WatchRules {
  const longest = Math.max(durationMs(every), ...probes.map(({ within }) => durationMs(within)));
  const cleanMs = durationMs(clean);
  // A look that came late by itself on a busy machine is no gap; one that a clean window would fit into is.
  return { downAfter, cleanMs, gapMs: Math.max(cleanMs, 4 * longest) };
}
