// The front door of a site: its public address, with the same ports as the other site's, in front of its stores.
// It is told its site's folder as an argument, and dies with everything else that works there.
import { connect, createServer } from 'node:net';
import { askedToEnd, given, tellReady } from './child.ts';

export interface GatewayInput {
  readonly address: string;
  /** From a port of the address to the store's own on loopback. */
  readonly doors: readonly { readonly port: number; readonly store: number }[];
}

if (import.meta.main) {
  const { address, doors } = await given<GatewayInput>();
  await Promise.all(doors.map((door) => openDoor(address, door)));
  tellReady();
  await askedToEnd();
  process.exit();
}

function openDoor(address: string, { port, store }: GatewayInput['doors'][number]): Promise<void> {
  const server = createServer((client) => {
    const target = connect(store, '127.0.0.1');
    client.on('error', () => target.destroy());
    target.on('error', () => client.destroy());
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
    client.pipe(target).pipe(client);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve());
  });
}
