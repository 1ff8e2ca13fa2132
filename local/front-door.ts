// What clients reach a store through: a TCP relay that is shut as long as a file exists, as a firewall's or balancer's rule
// would be. Not one byte of a client passes a shut door; answers to what passed before still come out. Soon after it is shut
// it refuses connections, too.
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface FrontDoorSpec {
  /** Default: loopback. */
  readonly address?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** The store's own port on loopback. */
  readonly store: number;
  /** The file that shuts it. */
  readonly shutBy: string;
}

export interface FrontDoor {
  readonly port: number;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 50;

/** Opens a door, or leaves it shut where the file exists already. */
export async function openFrontDoor({ address = '127.0.0.1', port, store, shutBy }: FrontDoorSpec): Promise<FrontDoor> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (existsSync(shutBy)) return void client.destroy();
    relay(client, connect(store, '127.0.0.1'), shutBy, sockets);
  });
  await listen(server, port ?? 0, address);
  const own = (server.address() as AddressInfo).port;
  const looking = setInterval(() => follow(server, { address, port: own }, existsSync(shutBy)), LOOK_EVERY_MS);
  return {
    port: own,
    close: async () => {
      clearInterval(looking);
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

const listen = (server: Server, port: number, address: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.on('error', reject); // Later: it is tried again.
    server.listen(port, address, () => resolve());
  });

// Clients that are connected stay so until they send something: then they are thrown out.
function follow(server: Server, { address, port }: { address: string; port: number }, isShut: boolean): void {
  if (server.listening && isShut) server.close();
  if (!server.listening && !isShut) server.listen(port, address);
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
