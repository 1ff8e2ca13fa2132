// An authority and the certificates of one site, made by openssl as an operator would.
import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface MadeCertificate {
  readonly name: string;
  readonly certificate: string;
  readonly key: string;
  /** The authority's certificate. */
  readonly chain: string;
  readonly names: string[];
}

/** Makes an authority and one leaf (EC P-256, 1 year) per name. Files are 0600 below `directory`. */
export async function makeCertificates(directory: string, names: readonly string[]): Promise<MadeCertificate[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authority = { key: join(directory, 'authority.key'), certificate: join(directory, 'authority.crt') };
  const self = ['-x509', '-days', '3650', '-subj', '/CN=Local authority', '-addext', 'keyUsage=keyCertSign,cRLSign'];
  await openssl(directory, [...newKey(authority.key), ...self, '-out', authority.certificate]);
  await chmod(authority.certificate, 0o600);
  return Promise.all(names.map((name) => makeLeaf(directory, name, authority)));
}

async function makeLeaf(
  directory: string,
  name: string,
  authority: { readonly key: string; readonly certificate: string },
): Promise<MadeCertificate> {
  const hosts = [`${name}.example.test`, 'localhost'];
  const leaf = { key: join(directory, `${name}.key`), certificate: join(directory, `${name}.crt`) };
  const subject = ['-x509', '-days', '365', '-subj', `/CN=${hosts[0]}`, '-addext', 'basicConstraints=CA:FALSE'];
  const alternative = ['-addext', `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(',')}`];
  const signer = ['-CA', authority.certificate, '-CAkey', authority.key, '-out', leaf.certificate];
  await openssl(directory, [...newKey(leaf.key), ...subject, ...alternative, ...signer]);
  await chmod(leaf.certificate, 0o600);
  return { name, ...leaf, chain: authority.certificate, names: hosts };
}

const newKey = (file: string) =>
  ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', file] as const;

async function openssl(cwd: string, args: readonly string[]): Promise<void> {
  await run('openssl', [...args], { cwd });
}
