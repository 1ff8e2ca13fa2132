// Reads what a certificate, its key and its chain say, with Node's own OpenSSL. Nothing of a key leaves this file.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { CertificateFacts } from '../../domain/systems/tls-certificates.ts';

export interface CertificateFiles {
  readonly name: string;
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly chain: Buffer | undefined;
  readonly names: readonly string[];
}

/** The facts of one certificate. @throws {Error} when the certificate or the chain is not one. */
export function readCertificate(files: CertificateFiles): CertificateFacts {
  const [leaf, ...inFile] = parseCertificates(files.certificate);
  if (leaf === undefined) throw new Error('the certificate file holds no certificate');
  const pool = [...inFile, ...(files.chain ? parseCertificates(files.chain) : [])];
  const { chain, above } = checkChain(leaf, pool);
  const ends = above.map(({ validToDate }) => validToDate.toISOString()).sort();
  return {
    name: files.name,
    subject: leaf.subject,
    issuer: leaf.issuer,
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: leaf.validFromDate.toISOString(),
    notAfter: leaf.validToDate.toISOString(),
    key: checkKey(leaf, files.key),
    chain,
    chainNotAfter: ends[0] ?? null,
    uncovered: files.names.filter((name) => !isCovered(leaf, name)),
  };
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function parseCertificates(bytes: Buffer): X509Certificate[] {
  const blocks = bytes.toString('latin1').match(PEM);
  return (blocks ?? [bytes]).map((block) => new X509Certificate(block));
}

function checkKey(leaf: X509Certificate, key: Buffer): CertificateFacts['key'] {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key)) ? 'matches' : 'differs';
  } catch (error) {
    if (/ENCRYPTED/.test(key.toString('latin1'))) return { unreadable: 'it needs a passphrase' };
    // OpenSSL's words could quote the input; its code cannot.
    return { unreadable: (error as NodeJS.ErrnoException).code ?? 'it is not a key' };
  }
}

const isCovered = (leaf: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) !== undefined;

interface ChainCheck {
  readonly chain: CertificateFacts['chain'];
  readonly above: readonly X509Certificate[];
}

// Servers usually leave the root out: a chain is verified when each certificate was signed by the next, up to one that
// signed itself or whose issuer is not given.
function checkChain(leaf: X509Certificate, pool: readonly X509Certificate[]): ChainCheck {
  const above: X509Certificate[] = [];
  let current = leaf;
  while (!current.checkIssued(current)) {
    const step = issuerOf(
      current,
      pool.filter((one) => !above.includes(one)),
    );
    if (step === null) break;
    if (typeof step === 'string') return { chain: { broken: step }, above };
    above.push(step);
    current = step;
  }
  if (current.checkIssued(current) && !current.verify(current.publicKey)) {
    return { chain: { broken: `'${oneLine(current.subject)}' did not sign itself` }, above };
  }
  if (above.length > 0 || current.checkIssued(current)) return { chain: 'verified', above };
  if (pool.length === 0) return { chain: 'not given', above };
  return { chain: { broken: `no certificate in it issued '${oneLine(leaf.subject)}'` }, above };
}

/** The issuer among `pool`; null when none has its name; words when one has and did not sign, or may not. */
function issuerOf(child: X509Certificate, pool: readonly X509Certificate[]): X509Certificate | string | null {
  const named = pool.filter((one) => child.checkIssued(one));
  if (named.length === 0) return null;
  const signer = named.find((one) => child.verify(one.publicKey));
  if (signer === undefined) return `'${oneLine(child.issuer)}' did not sign '${oneLine(child.subject)}'`;
  return signer.ca ? signer : `'${oneLine(signer.subject)}' is not an authority`;
}

const oneLine = (name: string): string => name.replaceAll('\n', ', ');
