// A command's view of the platform: its configuration, a connection, and the context every run is given.
import { hostname, userInfo } from 'node:os';
import { tierNames } from '../../domain/configuration/protection.ts';
import type { RunContext } from '../../workflows/messages.ts';
import type { Call } from '../command.ts';
import { type Loaded, loadConfiguration } from '../configuration-file.ts';
import { withWayOut } from '../journals.ts';
import { connectTemporal, type Temporal } from './connection.ts';

export interface Platform extends Loaded {
  readonly temporal: Temporal;
}

/** Loads the configuration, connects, does the work and closes the connection whatever happens. */
export async function withPlatform<T>(call: Call, work: (platform: Platform) => Promise<T>): Promise<T> {
  const loaded = await loadConfiguration(call);
  const temporal = await connectTemporal(loaded.configuration).catch(async (error) => {
    throw await withWayOut(error, loaded.configuration);
  });
  try {
    return await work({ ...loaded, temporal });
  } finally {
    await temporal.close();
  }
}

/** `user@host` of whoever runs the command. */
export function person(): string {
  const user = process.env.SUDO_USER ?? (userInfo().username || String(process.getuid?.()));
  return `${user}@${hostname()}`;
}

/** What every run that a person starts is told. */
export function runContext({ configuration, site }: Loaded): RunContext {
  return {
    platform: configuration.platform,
    site,
    tiers: tierNames(configuration),
    requestedBy: person(),
    scheduled: false,
  };
}
