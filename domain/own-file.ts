// Holdfast's own file as it lies in a configuration backup: what `dr rebuild` needs when the machines are gone. It holds
// the configuration's text and the public keys that it names; secrets are references there, and stay where they are.
import { Failure } from './failures.ts';
import { canonicalJson } from './json.ts';
import { parseJson, type RecordShape, shapeOf } from './record-shape.ts';

export const OWN_FILE = 'holdfast.json';

export interface OwnFile {
  readonly format: 1;
  /** Where the file lay. Data: nothing is ever written there because of it. */
  readonly file: string;
  /** The file as it was. */
  readonly text: string;
  /** Public keys by the path that the configuration names; PEM. */
  readonly publicKeys: readonly PublicKeyFile[];
}

export interface PublicKeyFile {
  readonly path: string;
  readonly pem: string;
}

/** The artifact's bytes. */
export const ownFileText = (own: OwnFile): string => `${canonicalJson(own)}\n`;

/** Reads the artifact. @throws {Failure} ARTIFACT_DAMAGED, VERSION_UNFIT for a format of the future. */
export function parseOwnFile(text: string): OwnFile {
  const shape = shapeOf(parseJson(text, OWN_FILE, 'ARTIFACT_DAMAGED'), OWN_FILE, 'ARTIFACT_DAMAGED');
  const format = shape.whole('format');
  if (format !== 1) throw new Failure('VERSION_UNFIT', `'${OWN_FILE}' has format ${format}, and 1 is known here`);
  const publicKeys = shape.list('publicKeys', publicKeyOf);
  return { format, file: shape.text('file', /^\//), text: shape.text('text'), publicKeys };
}

const publicKeyOf = (shape: RecordShape): PublicKeyFile => ({
  path: shape.text('path', /^\//),
  pem: shape.text('pem', /^-----BEGIN PUBLIC KEY-----\n/),
});
