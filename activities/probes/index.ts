// What a client of the platform would meet at the public name: a store or a web server that answers in its own language.
// No password is needed, and nothing is read or written.
import { readFile } from 'node:fs/promises';
import type { ProbeConfiguration } from '../../domain/configuration/schema.ts';
import { askHttp } from './http.ts';
import { OPENINGS } from './openings.ts';
import { handshake, type Place, talk } from './talk.ts';

export interface ProbeResult {
  /** `postgres at app.orders.example:5432`. */
  readonly probe: string;
  readonly isWell: boolean;
  readonly words: string;
}

/** Gives the address of a host now. */
export type Resolve = (host: string) => Promise<string>;

/** A probe in words. */
export const probeName = (probe: ProbeConfiguration): string =>
  probe.check === 'http' ? `http of ${probe.url}` : `${probe.check} at ${probe.host}:${probe.port}`;

/** The host that a probe goes to. */
export const probeHost = (probe: ProbeConfiguration): string =>
  probe.check === 'http' ? new URL(probe.url).hostname.replace(/^\[(.*)\]$/, '$1') : probe.host;

/**
 * Does: one connection; ends with the surrounding look.
 * Repeat: connects again. Undo: none, nothing is changed.
 */
export async function probe(settings: ProbeConfiguration, resolve: Resolve): Promise<ProbeResult> {
  const name = probeName(settings);
  try {
    const address = await resolve(probeHost(settings));
    return { probe: name, isWell: true, words: `${await answer(settings, address)} (${address})` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { probe: name, isWell: false, words: message || (code ?? String(error)) };
  }
}

async function answer(settings: ProbeConfiguration, address: string): Promise<string> {
  const ca = 'rootFile' in settings && settings.rootFile ? await readFile(settings.rootFile) : undefined;
  if (settings.check === 'http') return askHttp(settings, address, ca);
  const isEncrypted = settings.check === 'tls' || (settings.check !== 'postgres' && settings.tls);
  const { host, port } = settings;
  const place: Place = { address, port, tls: isEncrypted ? { name: host, ca } : null };
  return settings.check === 'tls' ? handshake(place) : talk(place, OPENINGS[settings.check](settings as never));
}
