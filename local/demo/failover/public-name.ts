// A public name as a client sees it: asked of the zone's real DNS servers, and kept for as long as the answer allows.
import { Resolver } from 'node:dns/promises';

const ASK_WITHIN_MS = 1000;

export interface PublicName {
  readonly name: string;
  /** Address and port of each. */
  readonly nameServers: readonly string[];
}

/** @returns a function that gives the address now. @throws what DNS says when it gives none. */
export function resolverOf({ name, nameServers }: PublicName): () => Promise<string> {
  const resolver = new Resolver({ timeout: ASK_WITHIN_MS, tries: 1 });
  resolver.setServers(nameServers);
  let known: { readonly address: string; readonly until: number } | null = null;
  return async () => {
    if (known !== null && Date.now() < known.until) return known.address;
    const [answer] = await resolver.resolve4(name, { ttl: true });
    if (answer === undefined) throw new Error(`${name} has no address`);
    known = { address: answer.address, until: Date.now() + answer.ttl * 1000 };
    return known.address;
  };
}
