// Reads a manifest that came from a tier. The signature is checked before; this checks that it is whole, that its names
// can be used as file names, and that its format is one we know.
import { Failure } from './failures.ts';
import { KEY_ID } from './key-ids.ts';
import { type Artifact, isSafeName, type KeyHolder, type Manifest } from './manifest.ts';
import { ISO_TIME, isJson, isNumber, isText, parseJson, type RecordShape, SHA256, shapeOf } from './record-shape.ts';
import { isSystemName } from './systems.ts';

export const FORMAT: 1 = 1;

/**
 * The manifest in `text`.
 * @throws {Failure} VERSION_UNFIT for a format of the future, MANIFEST_UNTRUSTED when it is not well formed.
 */
export function parseManifest(text: string): Manifest {
  const shape = shapeOf(parseJson(text, 'manifest', 'MANIFEST_UNTRUSTED'), 'manifest', 'MANIFEST_UNTRUSTED');
  requireFormat(shape.whole('format'), 'manifest');
  const system = shape.text('system');
  if (!isSystemName(system)) throw new Failure('MANIFEST_UNTRUSTED', `manifest names an unknown system '${system}'`);
  const artifacts = shape.list('artifacts', parseArtifact);
  if (new Set(artifacts.map(({ name }) => name)).size !== artifacts.length)
    throw new Failure('MANIFEST_UNTRUSTED', 'manifest names an artifact twice');
  return {
    format: FORMAT,
    platform: shape.text('platform'),
    system,
    backupId: safeName(shape, 'backupId'),
    kind: shape.text('kind'),
    site: shape.text('site'),
    startedAt: shape.text('startedAt', ISO_TIME),
    momentAt: shape.text('momentAt', ISO_TIME),
    finishedAt: shape.text('finishedAt', ISO_TIME),
    source: shape.mapOf('source', isJson),
    tools: shape.mapOf('tools', isText),
    artifacts,
    counts: shape.mapOf('counts', isNumber),
    parents: shape.texts('parents'),
    marker: shape.wholeOrNull('marker'),
    warnings: shape.texts('warnings'),
    report: shape.mapOf('report', isJson),
    sequence: shape.whole('sequence'),
    sealedAt: shape.text('sealedAt', ISO_TIME),
    recipients: shape.list('recipients', parseHolder),
    run: shape.text('run'),
  };
}

/** Someone who can open a key, as records name them. */
export function parseHolder(shape: RecordShape): KeyHolder {
  return { name: shape.text('name'), keyId: shape.text('keyId', KEY_ID) };
}

/** @throws {Failure} VERSION_UNFIT when a record was written by a newer format. */
export function requireFormat(format: number, what: string): void {
  if (format !== FORMAT)
    throw new Failure('VERSION_UNFIT', `${what} has format ${format}; this program reads format ${FORMAT}`, {
      need: `a program that reads format ${format}`,
    });
}

/** A name of the record that may become a file name. @throws {Failure} MANIFEST_UNTRUSTED for any other. */
export function safeName(shape: RecordShape, member: string): string {
  const name = shape.text(member);
  if (!isSafeName(name)) throw new Failure('MANIFEST_UNTRUSTED', `'${name}' cannot be the name of a file`, { name });
  return name;
}

function parseArtifact(shape: RecordShape): Artifact {
  return {
    name: safeName(shape, 'name'),
    role: shape.text('role'),
    ...(shape.has('subject') ? { subject: shape.text('subject') } : {}),
    plainBytes: shape.whole('plainBytes'),
    plainSha256: shape.text('plainSha256', SHA256),
    storedBytes: shape.whole('storedBytes'),
    storedSha256: shape.text('storedSha256', SHA256),
  };
}
