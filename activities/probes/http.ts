// One GET to the address that DNS gave, under the name that clients use.
import { get } from 'node:http';
import { get as getTls } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { ProbeConfiguration } from '../../domain/configuration/schema.ts';
import { currentSignal } from '../shared/activity-context.ts';

type HttpProbe = Extract<ProbeConfiguration, { check: 'http' }>;

/** @returns the status in words. @throws {Error} for another status, and when nothing answers. */
export async function askHttp(
  { url, status: wanted }: HttpProbe,
  address: string,
  ca: Buffer | undefined,
): Promise<string> {
  const status = await statusOf(url, address, ca);
  if (!wanted.includes(status)) throw new Error(`status ${status}, wanted ${wanted.join(' or ')}`);
  return `status ${status}`;
}

function statusOf(url: string, address: string, ca: Buffer | undefined): Promise<number> {
  const lookup: LookupFunction = (_, { all }, give) => {
    const family = isIP(address);
    if (all === true) give(null, [{ address, family }]);
    else give(null, address, family);
  };
  const signal = currentSignal();
  const options = { agent: false, lookup, ...(signal === undefined ? {} : { signal }) };
  return new Promise((resolve, reject) => {
    const isPlain = new URL(url).protocol === 'http:';
    const request = isPlain ? get(url, options) : getTls(url, { ...options, ...(ca === undefined ? {} : { ca }) });
    request.on('error', reject).once('response', (response) => {
      response.on('error', () => undefined).destroy(); // Its status was all that was asked for.
      resolve(response.statusCode ?? 0);
    });
  });
}
