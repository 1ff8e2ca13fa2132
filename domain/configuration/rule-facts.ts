// Small facts that several rules ask for.

/** True for a host of this machine, and for a socket's folder. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || host.startsWith('127.') || host.startsWith('/');
}

/** Indexes of values that came before. */
export function repeated(values: readonly string[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}

/** `'west', 'east'` */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

/** An account of AWS, as tiers, names and Terraform take it. */
interface Account {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/** The half that is missing; null for a whole account and for none. */
export function missingHalf({ accessKeyId, secretAccessKey }: Account): string | null {
  if ((accessKeyId === undefined) === (secretAccessKey === undefined)) return null;
  return accessKeyId === undefined ? 'accessKeyId' : 'secretAccessKey';
}

/** True for an address on the network that is spoken to unencrypted. */
export function isOpenToTheNetwork(endpoint: string | undefined): boolean {
  if (endpoint === undefined) return false;
  const { protocol, hostname } = new URL(endpoint);
  return protocol !== 'https:' && !isLoopback(hostname);
}
