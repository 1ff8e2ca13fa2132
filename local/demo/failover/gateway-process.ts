// The front door of a site: its public address, with the same ports as the other site's, in front of its stores.
// It is told its site's folder as an argument, and dies with everything else that works there.
import { openFrontDoor } from '../../front-door.ts';
import { askedToEnd, given, tellReady } from './child.ts';

export interface GatewayInput {
  readonly address: string;
  /** The file that keeps clients out. */
  readonly shutBy: string;
  /** From a port of the address to the store's own on loopback. */
  readonly doors: readonly { readonly port: number; readonly store: number }[];
}

if (import.meta.main) {
  const { address, shutBy, doors } = await given<GatewayInput>();
  await Promise.all(doors.map((door) => openFrontDoor({ address, shutBy, ...door })));
  tellReady();
  await askedToEnd();
  process.exit();
}
