// The configuration of a Holdfast that was brought back: the old file with its comments, changed only where a machine
// that was lost would otherwise be named. Only text is made here; whoever writes it decides nothing.
import { type Document, isScalar, parseDocument, visit } from 'yaml';
import { pathFault } from '../files/path-safety.ts';
import type { OwnFile } from '../own-file.ts';
import { type PathPart, pathText } from './problem.ts';
import type { Configuration, KeySetConfiguration, TierConfiguration } from './schema.ts';
import { isSecretReference } from './values.ts';

/** What is true of the machine that the configuration comes back to. */
export interface RebuildFacts {
  /** Absolute; everything that is written lies below it. */
  readonly directory: string;
  /** Ids of the public keys that the old file names, by their old path. */
  readonly keyIds: ReadonlyMap<string, string>;
  /** The private key that the operator brought. */
  readonly opener: { readonly keyId: string; readonly file: string };
  /** Name that the copy which was read gets, and where it lies; null when it is no tier of the configuration. */
  readonly from: { readonly name: string; readonly tier: TierConfiguration } | null;
  /** Tiers that are not there any more. */
  readonly lost: readonly string[];
  /** True for a path at which a file or folder is. */
  readonly exists: (path: string) => boolean;
}

export interface RebuiltConfiguration {
  readonly text: string;
  /** Where each public key goes now, by its old path. */
  readonly publicKeys: ReadonlyMap<string, string>;
  /** The signer that must be made, because the old one's private key is gone. */
  readonly newSigner: { readonly name: string; readonly keyFile: string; readonly publicKeyFile: string } | null;
  /** What was changed, a sentence each. */
  readonly changes: readonly string[];
}

/** The new text. `configuration` is what `own.text` says. */
export function rebuildConfiguration(
  own: OwnFile,
  configuration: Configuration,
  facts: RebuildFacts,
): RebuiltConfiguration {
  const document = parseDocument(own.text, { merge: false });
  const change = new Change(document, own, facts);
  change.moveOwnPaths(configuration);
  const publicKeys = change.movePublicKeys(configuration.repository);
  const newSigner = change.replaceSigner(configuration.repository.signing);
  change.openWithGivenKey('keys', configuration.repository.keys);
  if (configuration.repository.tlsKeys) change.openWithGivenKey('tlsKeys', configuration.repository.tlsKeys);
  change.moveTiers();
  return { text: document.toString({ lineWidth: 120 }), publicKeys, newSigner, changes: change.told };
}

const FILE_REFERENCE = /^\$\{file:(.*)\}$/s;

class Change {
  readonly told: string[] = [];
  readonly #document: Document;
  readonly #facts: RebuildFacts;
  readonly #oldFolder: string;

  constructor(document: Document, own: OwnFile, facts: RebuildFacts) {
    this.#document = document;
    this.#facts = facts;
    this.#oldFolder = own.file.slice(0, own.file.lastIndexOf('/') + 1);
  }

  /** What lay beside the old file lies beside the new one; every other path stays. */
  moveOwnPaths({ witness, sites, repository }: Configuration): void {
    visit(this.#document, {
      Scalar: (_, node) => {
        const path = typeof node.value === 'string' ? FILE_REFERENCE.exec(node.value)?.[1] : undefined;
        if (path !== undefined) node.value = `\${file:${this.#beside(path)}}`;
      },
    });
    this.#set(['repository', 'spool'], this.#beside(repository.spool));
    for (const [name, { workDirectory }] of Object.entries(sites))
      this.#set(['sites', name, 'workDirectory'], this.#beside(workDirectory));
    const moved = this.#beside(witness.directory);
    const isKept = moved !== witness.directory || this.#isBelow(moved) || this.#facts.exists(moved);
    this.#set(['witness', 'directory'], isKept ? moved : `${this.#facts.directory}/witness`);
  }

  movePublicKeys({ keys, tlsKeys, signing }: Configuration['repository']): ReadonlyMap<string, string> {
    const places = new Map<string, string>();
    const move = (path: readonly PathPart[], named: readonly { name: string; publicKey: string }[]) =>
      named.forEach(({ name, publicKey }, index) => {
        const place = places.get(publicKey) ?? this.#keyPlace(name, new Set(places.values()), publicKey);
        places.set(publicKey, place);
        this.#set([...path, index, 'publicKey'], place);
      });
    move(['repository', 'keys', 'recipients'], keys.recipients);
    move(['repository', 'tlsKeys', 'recipients'], tlsKeys?.recipients ?? []);
    move(['repository', 'signing', 'trusted'], signing.trusted);
    return places;
  }

  // A name of the configuration is of a-z, 0-9 and - alone: it cannot leave the folder.
  #keyPlace(name: string, taken: ReadonlySet<string>, publicKey: string): string {
    const place = `${this.#facts.directory}/keys/${name}.pub`;
    return taken.has(place)
      ? `${this.#facts.directory}/keys/${name}-${this.#facts.keyIds.get(publicKey)?.slice(0, 8)}.pub`
      : place;
  }

  replaceSigner({ name, key, trusted }: Configuration['repository']['signing']): RebuiltConfiguration['newSigner'] {
    if (!this.#isGone(key)) return null;
    const names = trusted.map((one) => one.name);
    const fresh = freshName(name, names);
    const [keyFile, publicKeyFile] = ['key', 'pub'].map((end) => `${this.#facts.directory}/keys/${fresh}.${end}`);
    if (keyFile === undefined || publicKeyFile === undefined) return null;
    const path = ['repository', 'signing'];
    this.#set([...path, 'name'], fresh);
    this.#set([...path, 'key'], `\${file:${keyFile}}`);
    this.#document.addIn([...path, 'trusted'], this.#document.createNode({ name: fresh, publicKey: publicKeyFile }));
    this.told.push(`the private key of sealer '${name}' is lost: '${fresh}' was made and seals from now on`);
    return { name: fresh, keyFile, publicKeyFile };
  }

  openWithGivenKey(set: 'keys' | 'tlsKeys', { recipients, private: held }: KeySetConfiguration): void {
    const { opener, keyIds } = this.#facts;
    const owner = recipients.find(({ publicKey }) => keyIds.get(publicKey) === opener.keyId)?.name;
    const kept = held
      .filter(({ key }) => !this.#isGone(key))
      .map(({ name, key }) => ({ name, key: this.#reference(key) }));
    const lost = held.filter(({ key }) => this.#isGone(key));
    const given = { name: owner ?? 'given', key: `\${file:${opener.file}}` };
    const others = kept.filter(({ name }) => name !== owner);
    if (owner === undefined && set === 'tlsKeys') this.told.push('the given key opens no certificates');
    this.#set(['repository', set, 'private'], owner === undefined && set === 'tlsKeys' ? kept : [...others, given]);
    for (const { name } of lost)
      this.told.push(
        `the private key of recipient '${name}' (repository.${set}) is lost: the given key opens the backups`,
      );
  }

  moveTiers(): void {
    const { from, lost } = this.#facts;
    if (from !== null) this.#placeTier(from.name, from.tier);
    for (const name of lost.filter((one) => one !== from?.name)) {
      this.#document.deleteIn(['repository', 'tiers', name]);
      this.told.push(
        `tier '${name}' is not there and was left out: when it comes back, name it again; give an empty one another name`,
      );
    }
  }

  #placeTier(name: string, tier: TierConfiguration): void {
    const path = ['repository', 'tiers', name];
    const before = this.#document.getIn([...path, 'kind']);
    if (before === tier.kind) {
      for (const [setting, value] of Object.entries(locationOf(tier))) this.#set([...path, setting], value);
    } else this.#document.setIn(path, this.#document.createNode({ kind: tier.kind, ...locationOf(tier) }));
  }

  #isGone(reference: string | undefined): boolean {
    const path = reference === undefined ? undefined : FILE_REFERENCE.exec(reference)?.[1];
    return path !== undefined && !this.#facts.exists(this.#beside(path));
  }

  #reference(reference: string): string {
    const path = FILE_REFERENCE.exec(reference)?.[1];
    return path === undefined ? reference : `\${file:${this.#beside(path)}}`;
  }

  #beside(path: string): string {
    if (!path.startsWith(this.#oldFolder)) return path;
    const rest = path.slice(this.#oldFolder.length);
    return pathFault(rest) === null ? `${this.#facts.directory}/${rest}` : path;
  }

  #isBelow(path: string): boolean {
    const folder = `${this.#facts.directory}/`;
    return path.startsWith(folder) && pathFault(path.slice(folder.length)) === null;
  }

  #set(path: readonly PathPart[], value: unknown): void {
    const node = this.#document.getIn(path, true);
    if (isScalar(node)) node.value = value;
    else this.#document.setIn(path, this.#document.createNode(value));
  }
}

// Where a tier lies, and by which account it is reached.
const locationOf = (tier: TierConfiguration): Record<string, string> =>
  tier.kind === 'folder'
    ? { path: tier.path }
    : Object.fromEntries(
        Object.entries({
          ...{ bucket: tier.bucket, prefix: tier.prefix, region: tier.region, endpoint: tier.endpoint },
          ...{ accessKeyId: tier.accessKeyId, secretAccessKey: tier.secretAccessKey },
        }).filter((entry): entry is [string, string] => entry[1] !== undefined),
      );

function freshName(name: string, taken: readonly string[]): string {
  const base = name.replace(/-\d+$/, '').slice(0, 36);
  for (let number = 2; ; number++) if (!taken.includes(`${base}-${number}`)) return `${base}-${number}`;
}

/** A secret that the configuration refers to. */
export interface SecretReference {
  /** For example `sites.main.postgres.password`. */
  readonly usedBy: string;
  readonly reference: string;
}

/** Every reference to a secret, in the file's order. */
export function secretReferences(value: unknown, path: readonly PathPart[] = []): SecretReference[] {
  if (isSecretReference(value)) return [{ usedBy: pathText(path), reference: value }];
  return membersOf(value).flatMap(([name, member]) => secretReferences(member, [...path, name]));
}

const PROGRAMS: readonly PathPart[] = ['stop', 'start', 'freeze', 'thaw', 'exec'];

/** Every program that the configuration lets Holdfast run, as it stands there. */
export function programsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('${command:') ? [value] : [];
  return membersOf(value).flatMap(([name, member]) =>
    PROGRAMS.includes(name) && Array.isArray(member) ? [JSON.stringify(member)] : programsIn(member),
  );
}

function membersOf(value: unknown): [PathPart, unknown][] {
  if (Array.isArray(value)) return value.map((member, index) => [index, member]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
