// RabbitMQ's definitions as data: what makes two of them equal, what is missing, and in which order they go in.
// Facts measured on 3.10 and 4.0: an import never changes an existing queue and says nothing about it, stops half done
// at what it does not know, and deletes nothing. Therefore: import what is missing, then compare.
import { canonicalJson, type JsonValue } from '../json.ts';

type Entry = Readonly<Record<string, JsonValue>>;

export const SECTIONS = [
  'vhosts',
  'users',
  'permissions',
  'topic_permissions',
  'exchanges',
  'queues',
  'bindings',
  'policies',
  'parameters',
  'global_parameters',
] as const;
export type Section = (typeof SECTIONS)[number];

export type Definitions = Readonly<Partial<Record<Section, readonly Entry[]>>> & {
  readonly rabbit_version?: string;
  readonly rabbitmq_version?: string;
};

/** What Holdfast itself puts into a broker is never part of a backup or a comparison: its account in isolated brokers… */
export const ISOLATED_ACCOUNT = 'holdfast-isolated-';
/** …and the journal of a live restore. Any other name, whatever it begins with, belongs to the platform. */
export const JOURNAL_NAME = 'holdfast-restore-journal';
const OWN_ACCOUNT = new RegExp(`^${ISOLATED_ACCOUNT}[0-9a-f]{12}$`);

/** Identity of an entry within its section. */
const KEYS: Readonly<Record<Section, readonly string[]>> = {
  vhosts: ['name'],
  users: ['name'],
  permissions: ['vhost', 'user'],
  topic_permissions: ['vhost', 'user', 'exchange'],
  exchanges: ['vhost', 'name'],
  queues: ['vhost', 'name'],
  bindings: ['vhost', 'source', 'destination_type', 'destination', 'routing_key', 'arguments'],
  policies: ['vhost', 'name'],
  parameters: ['vhost', 'component', 'name'],
  global_parameters: ['name'],
};

/** Parameters that move messages on their own: they go in last. */
const LINKS: ReadonlySet<string> = new Set(['shovel', 'federation-upstream', 'federation-upstream-set']);

export interface Difference {
  readonly section: Section;
  readonly key: string;
}

export interface DefinitionsDiff {
  /** What the target lacks, as definitions that can be imported. */
  readonly missing: Definitions;
  /** What exists on both sides and is not the same. */
  readonly different: readonly Difference[];
  /** What only the target has. Nothing is ever deleted because of it. */
  readonly extra: readonly Difference[];
}

/** Entries of a section without what is Holdfast's own or the cluster's identity, in canonical form. */
function entriesOf(definitions: Definitions, section: Section): Map<string, Entry> {
  const kept = (definitions[section] ?? []).filter((entry) => !isOwn(entry, section));
  return new Map(kept.map((entry) => [keyOf(entry, section), canonicalEntry(entry, section)]));
}

function keyOf(entry: Entry, section: Section): string {
  return canonicalJson(KEYS[section].map((name) => entry[name] ?? null));
}

function isOwn(entry: Entry, section: Section): boolean {
  const name = String((section === 'permissions' ? entry.user : entry.name) ?? '');
  if (section === 'users' || section === 'permissions') return OWN_ACCOUNT.test(name);
  return section === 'global_parameters' && ['internal_cluster_id', 'cluster_tags', JOURNAL_NAME].includes(name);
}

// Brokers write the same thing in several ways: a classic queue with and without its type, tags as text or as a list.
function canonicalEntry(entry: Entry, section: Section): Entry {
  if (section === 'queues') {
    const { type: _, ...rest } = entry;
    const { 'x-queue-type': type, ...args } = (entry.arguments ?? {}) as Record<string, JsonValue>;
    return { ...rest, arguments: type === undefined || type === 'classic' ? args : { ...args, 'x-queue-type': type } };
  }
  if (section === 'users') return { ...entry, tags: tagsOf(entry.tags).map(plainTag).sort() };
  if (section === 'vhosts') return { name: entry.name ?? null };
  return entry;
}

function tagsOf(tags: JsonValue | undefined): string[] {
  if (Array.isArray(tags)) return tags.map(String);
  return String(tags ?? '')
    .split(',')
    .filter((tag) => tag !== '');
}

// A broker takes the bytes of a tag beyond ASCII for characters, once more at each import; to it the tag means nothing.
function plainTag(tag: string): string {
  const isBytes = /[\u0080-\u00ff]/.test(tag) && /^[\u0000-\u00ff]*$/.test(tag);
  if (!isBytes) return tag;
  const read = new TextDecoder().decode(Uint8Array.from(tag, (char) => char.charCodeAt(0)));
  return read.includes('\ufffd') ? tag : plainTag(read);
}

/** What `target` lacks of `wanted`, and what it has otherwise. */
export function diffDefinitions(wanted: Definitions, target: Definitions): DefinitionsDiff {
  const diffs = SECTIONS.map((section) => diffSection(section, wanted, target));
  const missing = diffs.filter(({ missing: entries }) => entries.length > 0).map((one) => [one.section, one.missing]);
  return {
    missing: Object.fromEntries(missing) as Definitions,
    different: diffs.flatMap(({ different }) => different),
    extra: diffs.flatMap(({ extra }) => extra),
  };
}

function diffSection(section: Section, wanted: Definitions, target: Definitions) {
  const there = entriesOf(target, section);
  const here = entriesOf(wanted, section);
  const originals = new Map((wanted[section] ?? []).map((entry) => [keyOf(entry, section), entry]));
  const named = (key: string): Difference => ({ section, key });
  const isOther = ([key, entry]: [string, Entry]) => {
    const found = there.get(key);
    return found !== undefined && canonicalJson(found) !== canonicalJson(entry);
  };
  return {
    section,
    missing: [...here].filter(([key]) => !there.has(key)).map(([key, entry]) => originals.get(key) ?? entry),
    different: [...here].filter(isOther).map(([key]) => named(key)),
    extra: [...there.keys()].filter((key) => !here.has(key)).map(named),
  };
}

/** The definitions without what is ours or the cluster's own identity: what goes into a backup. */
export function withoutOwn(definitions: Definitions): Definitions {
  const kept = SECTIONS.map((section) => {
    const entries = (definitions[section] ?? []).filter((entry) => !isOwn(entry, section));
    return [section, entries] as const;
  });
  return { ...definitions, ...Object.fromEntries(kept) };
}

/** Definitions cut into the passes of a restore, in their order. */
export function restorePasses(definitions: Definitions) {
  const links = (definitions.parameters ?? []).filter((entry) => LINKS.has(String(entry.component)));
  const limits = (definitions.parameters ?? []).filter((entry) => !LINKS.has(String(entry.component)));
  const { vhosts = [], users = [], permissions = [], topic_permissions = [], global_parameters = [] } = definitions;
  const { exchanges = [], queues = [], bindings = [], policies = [] } = definitions;
  return {
    /** Before the messages: everything that has no limit in it. */
    topology: { vhosts, users, global_parameters, exchanges, queues, bindings } satisfies Definitions,
    /** After the messages: limits could drop what is being filled. */
    policies: { policies, parameters: limits } satisfies Definitions,
    /** Opens the broker to applications. */
    permissions: { permissions, topic_permissions } satisfies Definitions,
    /** Last: these begin to move messages at once. */
    links: { parameters: links } satisfies Definitions,
  };
}

/** How many entries each section has, without the empty ones. */
export function countEntries(definitions: Definitions): Record<string, number> {
  const counts = SECTIONS.map((section) => [section, definitions[section]?.length ?? 0] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Policy keys that brokers from 4.0 on refuse, stopping the import half done. */
const GONE_IN_4 = /^(ha-.*|queue-mode)$/;

export interface AdaptedDefinitions {
  readonly definitions: Definitions;
  /** What was left out, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Takes out of the definitions of an older broker what one of `targetVersion` refuses or is giving up. Says what was
 * taken out: nothing is left out in silence.
 */
export function adaptDefinitions(definitions: Definitions, targetVersion: string): AdaptedDefinitions {
  const from = definitions.rabbit_version ?? definitions.rabbitmq_version ?? '3';
  if (majorOf(targetVersion) < 4 || majorOf(from) >= 4) return { definitions, notes: [] };
  const mirrored = withoutMirroring(definitions, targetVersion);
  const transient = withoutTransient(mirrored.definitions, targetVersion);
  return { definitions: transient.definitions, notes: [...mirrored.notes, ...transient.notes] };
}

function withoutMirroring(definitions: Definitions, version: string): AdaptedDefinitions {
  const notes: string[] = [];
  const policies = (definitions.policies ?? []).flatMap((policy) => {
    const settings = Object.entries((policy.definition ?? {}) as Record<string, JsonValue>);
    const kept = settings.filter(([name]) => !GONE_IN_4.test(name));
    if (kept.length === settings.length) return [policy];
    const gone = settings.filter(([name]) => GONE_IN_4.test(name)).map(([name]) => name);
    const what = kept.length === 0 ? 'is left out' : `loses ${gone.join(', ')}`;
    notes.push(`policy ${JSON.stringify(policy.name)} ${what}: version ${version} has no mirrored queues`);
    return kept.length === 0 ? [] : [{ ...policy, definition: Object.fromEntries(kept) }];
  });
  return { definitions: { ...definitions, policies }, notes };
}

// A queue that does not survive its broker holds nothing in a backup either; its applications declare it again.
function withoutTransient(definitions: Definitions, version: string): AdaptedDefinitions {
  const isGone = ({ durable }: Entry) => durable === false;
  const gone = new Set((definitions.queues ?? []).filter(isGone).map((entry) => keyOf(entry, 'queues')));
  if (gone.size === 0) return { definitions, notes: [] };
  const targets = ({ vhost, destination }: Entry) => canonicalJson([vhost ?? null, destination ?? null]);
  const isKept = (binding: Entry) => binding.destination_type !== 'queue' || !gone.has(targets(binding));
  const names = [...gone].slice(0, 5).join(', ');
  return {
    definitions: {
      ...definitions,
      queues: (definitions.queues ?? []).filter((entry) => !isGone(entry)),
      bindings: (definitions.bindings ?? []).filter(isKept),
    },
    notes: [`${gone.size} transient queues are left out: version ${version} gives them up: ${names}`],
  };
}

const majorOf = (version: string): number => Number.parseInt(version, 10);

/** True when the step from one to the other crosses a major version backwards, which no broker promises to survive. */
export const isOlderMajor = (from: string, to: string): boolean => majorOf(to) < majorOf(from);

/** True when definitions of `from` may hold what a broker of `to` does not know. */
export function isNewerBroker(from: string, to: string): boolean {
  const [a = 0, b = 0] = from.split('.').map(Number);
  const [c = 0, d = 0] = to.split('.').map(Number);
  return a > c || (a === c && b > d);
}
