// The files of the configured certificates as a collection: `<name>/certificate.pem`, `<name>/chain.pem`,
// `<name>/key.pem`, wherever they lie on this machine.
import { mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ClockSkew, judgeClocks } from '../../domain/clocks.ts';
import { durationMs, type SystemConfiguration } from '../../domain/configuration/schema.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import {
  type CertificateFacts,
  judgeCertificate,
  unreadableCertificate,
} from '../../domain/systems/tls-certificates.ts';
import type { FileCollection, Judgement, ReadContent } from '../files/collection.ts';
import { Folder, isAbsent, type Place } from '../files/place.ts';
import { readCertificate } from './read-certificate.ts';

type TlsConfiguration = SystemConfiguration<'tls'>;

/** This machine's clock, which certificates are judged by, and the clocks that it is compared with. */
export interface Times {
  readonly now: () => Date;
  readonly clocks: () => Promise<readonly ClockSkew[]>;
}

/** The collection of a site's certificates. @throws {Failure} CONFIG_INVALID when two have one name. */
export function certificateCollection(
  platform: string,
  configuration: TlsConfiguration,
  { now, clocks }: Times,
): FileCollection {
  const locations = locate(configuration);
  const byLocation = new Map([...locations].map(([path, location]) => [location, path]));
  return {
    system: 'tls',
    identity: `${platform}:tls`,
    root: 'the configured certificate files',
    missing: 'CERTIFICATE_UNFIT',
    source: { certificates: configuration.certificates.map(({ name }) => name) },
    list: async () => ({ paths: [...locations.keys()].sort(), leftOut: [] }),
    withPlace: (path, makeFolders, work) => atLocation(requireLocation(locations, path), makeFolders, work),
    locationOf: (path) => realLocation(requireLocation(locations, path)),
    pathOf: (name) => byLocation.get(name) ?? name,
    judge: async (read, paths) => {
      const { findings, report } = judge(configuration, read, paths, now());
      return { findings: [...findings, ...judgeClocks(await clocks())], report };
    },
  };
}

function locate({ certificates }: TlsConfiguration): Map<string, string> {
  const locations = new Map<string, string>();
  for (const { name, certificate, chain, key } of certificates) {
    if (locations.has(`${name}/key.pem`)) throw new Failure('CONFIG_INVALID', `two certificates are named '${name}'`);
    locations.set(`${name}/certificate.pem`, certificate);
    locations.set(`${name}/key.pem`, key);
    if (chain !== undefined) locations.set(`${name}/chain.pem`, chain);
  }
  return locations;
}

function requireLocation(locations: ReadonlyMap<string, string>, path: string): string {
  const location = locations.get(path);
  if (location !== undefined) return location;
  throw new Failure('TARGET_UNSAFE', `the configuration of this site has no place for '${path}'`);
}

// Tools like certbot keep links at the configured path: what they point to is read and replaced, the links stay.
async function atLocation<T>(
  location: string,
  makeFolders: boolean,
  work: (place: Place | null) => Promise<T>,
): Promise<T> {
  if (makeFolders) await mkdir(dirname(location), { recursive: true, mode: 0o700 });
  const real = await realLocation(location);
  const folder = await Folder.open(dirname(real)).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (folder === null) return work(null);
  return work({ folder, name: basename(real) }).finally(() => folder.close());
}

function realLocation(location: string): Promise<string> {
  return realpath(location).catch((error) => {
    if (isAbsent(error)) return location;
    throw error;
  });
}

function judge(configuration: TlsConfiguration, read: ReadContent, paths: readonly string[], now: Date): Judgement {
  const findings: Finding[] = [];
  const report: Record<string, Judgement['report'][string]> = {};
  for (const name of [...new Set(paths.map(dirname))].sort()) {
    const names = configuration.certificates.find((one) => one.name === name)?.names ?? [];
    const facts = factsOf(name, names, read);
    if ('level' in facts) {
      findings.push(facts);
      continue;
    }
    findings.push(...judgeCertificate(facts, now, durationMs(configuration.warnBefore)));
    report[name] = reportOf(facts);
  }
  return { findings, report: { certificates: report } };
}

function factsOf(name: string, names: readonly string[], read: ReadContent): CertificateFacts | Finding {
  const certificate = read(join(name, 'certificate.pem'));
  const key = read(join(name, 'key.pem'));
  const chain = read(join(name, 'chain.pem'));
  if (certificate === undefined) return unreadableCertificate(name, 'the certificate file is missing');
  if (key === undefined) return unreadableCertificate(name, 'the key file is missing');
  try {
    return readCertificate({ name, certificate, key, chain, names });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return unreadableCertificate(name, `the certificate or its chain cannot be read (${code ?? 'no certificate'})`);
  }
}

function reportOf({ subject, issuer, fingerprint, notBefore, notAfter }: CertificateFacts) {
  return { subject, issuer, fingerprint, notBefore, notAfter };
}
