// Whether anybody still serves at the addresses that traffic was moved away from. Only a refusal is an answer that proves.
import { connect } from 'node:net';
import type { AddressProbe, AddressProbes } from '../../domain/contracts/dns.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { currentSignal } from '../shared/activity-context.ts';

const LIMIT_MS = 5000;

/** Connects to every address and port at once, one attempt each. */
export async function probeAddresses(addresses: readonly string[], ports: readonly number[]): Promise<AddressProbes> {
  const places = addresses.flatMap((address) => ports.map((port) => ({ address, port })));
  const probes = await Promise.all(places.map(probe));
  return { probes, findings: probes.flatMap(findingOf) };
}

function probe({ address, port }: { address: string; port: number }): Promise<AddressProbe> {
  const limit = AbortSignal.timeout(LIMIT_MS);
  const outer = currentSignal();
  const signal = outer ? AbortSignal.any([limit, outer]) : limit;
  const socket = connect({ host: address, port });
  return new Promise<AddressProbe>((resolve) => {
    const end = (outcome: AddressProbe['outcome'], words: string) => resolve({ address, port, outcome, words });
    signal.addEventListener('abort', () => end('silent', `no answer within ${LIMIT_MS / 1000} s`), { once: true });
    socket.once('connect', () => end('answers', 'accepts connections'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'refused' : 'silent', error.code ?? error.message),
    );
  }).finally(() => socket.destroy());
}

function findingOf({ address, port, outcome, words }: AddressProbe): Finding[] {
  const subject = `old address ${address} port ${port}`;
  if (outcome === 'refused') return [{ level: 'ok', subject, message: 'refuses connections', code: null }];
  if (outcome === 'silent')
    return [
      {
        level: 'warning',
        subject,
        message: `unknown: ${words}; silence does not prove that nobody serves there`,
        code: null,
      },
    ];
  return [
    {
      level: 'failed',
      subject,
      message: `${words}: clients with the old address still reach it`,
      code: 'DNS_UNPROVEN',
    },
  ];
}
