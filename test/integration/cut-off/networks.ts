// Two networks with one cable between them, as network namespaces of this machine: the active site in one, everything
// else in the other. Besides the cable there is only a way to nowhere, which knows the addresses that anybody asked for.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const WEST_ADDRESS = '10.77.0.2';
const REST_ADDRESS = '10.77.0.1';

export interface Networks {
  readonly west: string;
  readonly rest: string;
  remove(): Promise<void>;
}

const ip = (...words: string[]) => run('ip', words);

export async function makeNetworks(): Promise<Networks> {
  const [west, rest] = [`hfw${process.pid}`, `hfr${process.pid}`];
  await ip('netns', 'add', west);
  await ip('netns', 'add', rest);
  await ip('link', 'add', 'cable', 'netns', rest, 'type', 'veth', 'peer', 'name', 'cable', 'netns', west);
  await ip('link', 'add', 'nowhere', 'netns', rest, 'type', 'veth', 'peer', 'name', 'sink', 'netns', west);
  for (const network of [west, rest]) await run('ip', ['netns', 'exec', network, 'sysctl', '-q', ...WITHOUT_IPV6]);
  for (const [network, device] of [
    [west, 'lo'],
    [west, 'cable'],
    [west, 'sink'],
    [rest, 'lo'],
    [rest, 'cable'],
    [rest, 'nowhere'],
  ] as const)
    await ip('-n', network, 'link', 'set', device, 'up');
  await ip('-n', rest, 'addr', 'add', `${REST_ADDRESS}/30`, 'dev', 'cable');
  await ip('-n', rest, 'route', 'add', 'default', 'dev', 'nowhere');
  // An address that nobody answers for any more is still sent to: that is what a black hole is.
  const { stdout } = await ip('-n', west, '-json', 'link', 'show', 'cable');
  const [{ address }] = JSON.parse(stdout) as [{ address: string }];
  await ip('-n', rest, 'neigh', 'add', WEST_ADDRESS, 'lladdr', address, 'dev', 'cable', 'nud', 'permanent');
  const remove = async () => {
    await ip('netns', 'del', west);
    await ip('netns', 'del', rest);
  };
  return { west, rest, remove };
}

// Its own chatter would be counted.
const WITHOUT_IPV6 = ['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1'];

/** Plugs the site in: where nothing listens at its address, connections are refused. */
export async function plugIn(west: string): Promise<void> {
  await ip('-n', west, 'addr', 'add', `${WEST_ADDRESS}/30`, 'dev', 'cable');
}

/** Cuts the site off: what is sent to it is lost without an answer. */
export async function cutOff(west: string): Promise<void> {
  await ip('-n', west, 'addr', 'del', `${WEST_ADDRESS}/30`, 'dev', 'cable');
}

/** Addresses beside the site's that something was sent to, as far as the cable to nowhere was asked for them. Inside of `rest`. */
export async function askedOutside(): Promise<readonly string[]> {
  const { stdout } = await ip('-json', 'neigh', 'show', 'dev', 'nowhere', 'nud', 'all');
  return (JSON.parse(stdout) as { dst: string }[]).map(({ dst }) => dst);
}
