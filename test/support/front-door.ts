// What clients reach a store through: a TCP relay that is shut as long as a file exists, as a firewall's or balancer's rule
// would be. Not one byte of a client passes a shut door; answers to what passed before still come out.
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface FrontDoor {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens a door to a loopback port. */
export async function openFrontDoor(target: number, shutBy: string): Promise<FrontDoor> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (existsSync(shutBy)) return void client.destroy();
    relay(client, connect(target, '127.0.0.1'), shutBy, sockets);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function relay(client: Socket, store: Socket, shutBy: string, sockets: Set<Socket>): void {
  const end = () => {
    for (const socket of [client, store]) {
      socket.destroy();
      sockets.delete(socket);
    }
  };
  for (const socket of [client, store]) {
    sockets.add(socket);
    socket.on('error', end).on('close', end);
  }
  client.on('data', (chunk) => {
    if (existsSync(shutBy)) end();
    else store.write(chunk);
  });
  store.on('data', (chunk) => client.write(chunk));
}
