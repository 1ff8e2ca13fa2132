// What a restore of RabbitMQ does, as data: the steps by target and scope, and which queues are filled.
import type { RestoreRequest, RestoreStep } from '../contracts/protected-system.ts';
import type { Definitions, DefinitionsDiff } from './rabbitmq-definitions.ts';
import type { QueueRecord } from './rabbitmq-inventory.ts';
import { exceedsLength, limitsOf, limitWords, withoutLimits } from './rabbitmq-limits.ts';

export interface QueueRef {
  readonly vhost: string;
  readonly name: string;
}

/** A queue of the backup and the place its messages go to. */
export interface Filling {
  readonly from: QueueRef;
  readonly to: QueueRef;
  readonly messages: number;
}

export interface FillPlan {
  readonly fillings: readonly Filling[];
  /** Queues that hold messages now and are left as they are. */
  readonly occupied: readonly (QueueRef & { readonly messages: number })[];
}

const STILL_SAFE = 'applications of these virtual hosts stay locked out until the run goes on or is undone';

const step = (id: string, title: string, hasUndo: boolean, safeToLeave: string = STILL_SAFE): RestoreStep => ({
  ...{ id, title, skippable: false, hasUndo, safeToLeave },
});

export const SCRATCH_STEPS: readonly RestoreStep[] = [
  step('prove', 'restore into an isolated broker and compare', false, 'everything: the live broker is not touched'),
];

export const LIVE_STEPS: readonly RestoreStep[] = [
  step('lock', 'lock applications out of the virtual hosts', true, 'nothing was changed yet'),
  step('topology', 'create missing exchanges, queues, bindings and users', true),
  step('messages', 'fill the queues in order', true),
  step('policies', 'create missing policies and limits', true),
  step('verify', 'compare definitions and counts with the backup', false),
  step('open', 'let applications in again', false),
  step('links', 'create missing shovels and federation', false, 'the platform serves; only links are missing'),
];

/** The queue whose place a restore of one queue takes: itself, or `options.into` (in `options.intoVhost`). */
export function placeFor({ options }: RestoreRequest, from: QueueRef): QueueRef {
  return { vhost: options.intoVhost ?? from.vhost, name: options.into ?? from.name };
}

/** True when a queue is restored under another name: a copy to look at, which nothing takes messages out of. */
export const isBeside = ({ options }: RestoreRequest): boolean =>
  options.into !== undefined || options.intoVhost !== undefined;

/**
 * Which queues are filled: those with captured messages that are missing or empty on the live broker.
 * @param there messages of each existing queue, by `refKey`.
 */
export function planFill(
  captured: readonly QueueRecord[],
  there: ReadonlyMap<string, number>,
  request: RestoreRequest,
): FillPlan {
  const fillings: Filling[] = [];
  const occupied: (QueueRef & { messages: number })[] = [];
  for (const { vhost, name, captured: held } of captured) {
    if (!held || held.messages === 0) continue;
    const to = placeFor(request, { vhost, name });
    const present = there.get(refKey(to));
    if (present !== undefined && (present > 0 || request.options.fill === 'missing'))
      occupied.push({ ...to, messages: present });
    else fillings.push({ from: { vhost, name }, to, messages: held.messages });
  }
  return { fillings, occupied };
}

export const refKey = ({ vhost, name }: QueueRef): string => JSON.stringify([vhost, name]);

/** What a person must know of queues that let messages go by themselves, before they are filled. */
export function limitWarnings(
  queues: readonly QueueRecord[],
  { fillings }: FillPlan,
  request: RestoreRequest,
): string[] {
  if (isBeside(request)) return [];
  const filled = new Set(fillings.map(({ from }) => refKey(from)));
  const limited = queues.flatMap((queue) => {
    const { captured } = queue;
    if (!captured || !filled.has(refKey(queue))) return [];
    const words = limitWords(queue, captured.expiring ?? 0);
    if (words.length === 0) return [];
    const shown = `queue ${JSON.stringify(queue.name)} of ${JSON.stringify(queue.vhost)}`;
    if (!exceedsLength(queue, captured)) return [`${shown} lets messages go by itself again: ${words.join(', ')}`];
    const rest = limitsOf(queue).refusesWhenFull ? 'refuses the newest' : 'drops the oldest';
    return [`${shown} ${rest} of ${captured.messages} messages: ${words.join(', ')}; restore it beside to keep all`];
  });
  const more = limited.length - WARNINGS_SHOWN;
  return more > 0
    ? [...limited.slice(0, WARNINGS_SHOWN), `${more} more queues let messages go by themselves`]
    : limited;
}

const WARNINGS_SHOWN = 20;

/**
 * The definitions a restore of one queue needs: its virtual host, the queue in its place, and its bindings when it keeps
 * its name. A copy beside it gets no limits: its messages are kept until somebody takes them.
 */
export function definitionsOfQueue(all: Definitions, from: QueueRef, to: QueueRef): Definitions {
  const queues = (all.queues ?? []).filter(({ vhost, name }) => vhost === from.vhost && name === from.name);
  const isSame = refKey(from) === refKey(to);
  const bindings = (all.bindings ?? []).filter(
    ({ vhost, destination, destination_type: type }) =>
      isSame && type === 'queue' && vhost === from.vhost && destination === from.name,
  );
  const sources = new Set(bindings.map(({ source }) => source));
  const exchanges = (all.exchanges ?? []).filter(
    ({ vhost, name }) => vhost === from.vhost && sources.has(name ?? null),
  );
  const vhosts = [(all.vhosts ?? []).find(({ name }) => name === to.vhost) ?? { name: to.vhost }];
  const placed = queues.map((queue) => ({
    ...(isSame ? queue : withoutLimits(queue)),
    vhost: to.vhost,
    name: to.name,
  }));
  const { rabbit_version } = all;
  const version = rabbit_version === undefined ? {} : { rabbit_version };
  return { ...version, vhosts, queues: placed, bindings, exchanges };
}

/** Lines a person reads before agreeing. */
export function summarise(request: RestoreRequest, diff: DefinitionsDiff, fill: FillPlan): string[] {
  const created = Object.entries(diff.missing).map(
    ([section, entries]) => `${(entries as object[]).length} ${section}`,
  );
  const messages = fill.fillings.reduce((sum, filling) => sum + filling.messages, 0);
  const vhosts = [...new Set(fill.fillings.map(({ to }) => to.vhost))];
  return [
    created.length === 0 ? 'nothing is missing in the definitions' : `creates ${created.join(', ')}`,
    `puts ${messages} messages into ${fill.fillings.length} queues that are missing or empty`,
    ...(vhosts.length > 0 && request.options.lock !== 'none'
      ? [
          `locks applications out of ${vhosts.map((name) => JSON.stringify(name)).join(', ')} meanwhile and ends their connections`,
        ]
      : []),
    ...fill.occupied
      .slice(0, 20)
      .map(({ name, messages: held }) => `leaves queue ${JSON.stringify(name)} alone: it holds ${held} messages`),
    ...(isBeside(request) ? ['the copy has none of the limits of its queue, and its messages do not expire'] : []),
    'nothing that exists is deleted or changed',
  ];
}
