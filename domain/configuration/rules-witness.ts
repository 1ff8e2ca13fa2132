// Rules about what `dr witness` looks at, and whom it tells.
import { plainName } from '../dns.ts';
import type { RuleFinding } from './problem.ts';
import { quoted } from './rule-facts.ts';
import { type Configuration, durationMs } from './schema.ts';

export function probesGoThroughThePublicName({ dns, witness }: Configuration): RuleFinding[] {
  const names = dns?.records.map(({ name }) => plainName(name)) ?? [];
  if (names.length === 0) return [];
  return witness.probes.flatMap((probe, index): RuleFinding[] => {
    const host = probe.check === 'http' ? new URL(probe.url).hostname : probe.host;
    if (names.includes(plainName(host))) return [];
    const message = `clients do not go to '${host}': what is seen there is not what they meet`;
    const path = ['witness', 'probes', index, probe.check === 'http' ? 'url' : 'host'];
    return [{ level: 'warning', path, message, example: quoted(names.slice(0, 1)) }];
  });
}

export function outagesAreHeardOf({ witness, notifications }: Configuration): RuleFinding[] {
  if (witness.probes.length === 0 || notifications.length > 0) return [];
  const message = 'an outage is written down and nobody hears of it: name a channel in notifications';
  return [{ level: 'warning', path: ['witness', 'probes'], message }];
}

export function cleanWindowsHoldSeveralLooks({ witness }: Configuration): RuleFinding[] {
  const { clean, every, probes } = witness;
  if (probes.length === 0 || durationMs(clean) >= 2 * durationMs(every)) return [];
  const message = `an outage would end with one lucky look: every ${every} is too seldom for it`;
  return [{ level: 'error', path: ['witness', 'clean'], message, example: '60s' }];
}
