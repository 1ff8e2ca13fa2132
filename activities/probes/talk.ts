// One connection that says one thing and hears one answer, and ends with the surrounding look.
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { currentSignal } from '../shared/activity-context.ts';
import type { Opening } from './openings.ts';

export interface Place {
  readonly address: string;
  readonly port: number;
  /** The name that the certificate has to be good for; null speaks plainly. */
  readonly tls: { readonly name: string; readonly ca: Buffer | undefined } | null;
}

const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');

function open({ address: host, port, tls }: Place) {
  if (tls === null) return connect({ host, port });
  const { name, ca } = tls;
  // Server name indication takes names only.
  const servername = isAddress(name) ? {} : { servername: name };
  return connectTls({ host, port, ...servername, ...(ca === undefined ? {} : { ca }) });
}

/** Says it and waits for the answer. @returns what the answer means. @throws {Error} when clients are not served. */
export function talk(place: Place, opening: Opening): Promise<string> {
  return onSocket(place, (socket, resolve, reject) => {
    let heard = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      heard = Buffer.concat([heard, bytes]);
      try {
        const meaning = opening.hears(heard);
        if (meaning !== null) resolve(meaning);
      } catch (error) {
        reject(error as Error);
      }
    });
    socket.write(opening.says);
  });
}

/** A TLS handshake with a certificate that is good for the name. */
export const handshake = (place: Place): Promise<string> =>
  onSocket(place, (_, resolve) => resolve('its certificate is good for the name'));

type Connected = (
  socket: ReturnType<typeof open>,
  resolve: (words: string) => void,
  reject: (error: Error) => void,
) => void;

function onSocket(place: Place, connected: Connected): Promise<string> {
  const socket = open(place);
  const signal = currentSignal();
  const aborted = () => socket.destroy(new Error('ended with the look'));
  signal?.addEventListener('abort', aborted, { once: true });
  return new Promise<string>((resolve, reject) => {
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('closed the connection without an answer')));
    socket.once(place.tls === null ? 'connect' : 'secureConnect', () => connected(socket, resolve, reject));
  }).finally(() => {
    signal?.removeEventListener('abort', aborted);
    socket.destroy();
  });
}
