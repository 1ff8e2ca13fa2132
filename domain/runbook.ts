// The way back without Holdfast, in plain text: public tools, the newest proven backups, an offline key. Every word in its
// commands is ours; what stores named themselves never becomes a word of a shell.
import { kmsRegionOf } from './key-ids.ts';
import type { Artifact, BackupRef, KeyHolder, Manifest } from './manifest.ts';
import { backupFolder, refText } from './repository-layout.ts';
import { FILL_BROKER, OPEN } from './runbook-programs.ts';
import { useOf } from './runbook-uses.ts';
import { SYSTEMS } from './systems.ts';

/** A proven backup, and the name of the wrapped key that counts. */
export interface RunbookBackup {
  readonly manifest: Manifest;
  readonly key: string;
  /** Who can open it now. */
  readonly openedBy: readonly KeyHolder[];
  readonly provenAt: string;
  /** Backups that it rests on, oldest first. */
  readonly parents: readonly Omit<RunbookBackup, 'provenAt' | 'parents'>[];
}

export interface RunbookFacts {
  readonly platform: string;
  readonly madeAt: string;
  /** Where the copies are, in words without secrets. */
  readonly tiers: readonly string[];
  readonly backups: readonly RunbookBackup[];
}

/** The whole text. */
export function runbookText({ platform, madeAt, tiers, backups }: RunbookFacts): string {
  const names = backups.map(({ manifest, provenAt }) => `- ${refText(manifest)}, proven ${provenAt}`);
  return `${[
    `# Runbook of ${platform}: restore without Holdfast`,
    `Made ${madeAt} of the newest proven backups. It holds no secret.`,
    names.join('\n'),
    PREPARE(tiers),
    ...backups.map(section),
  ].join('\n\n')}\n`;
}

const PREPARE = (tiers: readonly string[]) => `## 1. Prepare

Copies are in: ${tiers.join('; ')}. Any one of them is enough; bring it to a folder of this machine.
You need python3 with venv, sha256sum, zstd, tar, the stores' own tools, and the private key of one recipient (escrow will do).
Name three places: REPOSITORY is the copy, KEY the file of the private key, WORK an empty folder on a disk with room.

\`\`\`sh
export REPOSITORY=/path/to/the/copy KEY=/path/to/escrow.key WORK=/path/to/an/empty/folder
\`\`\`

\`\`\`sh
python3 -m venv "$WORK/venv"
"$WORK/venv/bin/pip" install --quiet 'aws-encryption-sdk[MPL]>=4'
cat > "$WORK/open.py" <<'END'
${OPEN}
END
cat > "$WORK/fill-broker.py" <<'END'
${FILL_BROKER}
END
\`\`\``;

function section({ manifest, key, openedBy, parents }: RunbookBackup): string {
  const { system, kind } = manifest;
  const opened = [...parents, { manifest, key, openedBy }];
  return `## ${SYSTEMS[system].title} (${kind}): ${refText(manifest)}

${opened.map(keyText).join('\n')}

Compare every stored byte with the manifest, open it, and compare what came out${parents.length === 0 ? '' : ' (also of the backups that it rests on)'}:

\`\`\`sh
set -euo pipefail
${opened.map((one) => [`mkdir -p "$WORK/${refText(one.manifest)}"`, ...one.manifest.artifacts.map((artifact) => openLines(one.manifest, one.key, artifact))].join('\n')).join('\n')}
\`\`\`

${useOf(
  manifest,
  parents.map((one) => one.manifest),
)}`;
}

// The commands use a private key in a file. What only KMS opens is said where it stands, not found out on the day.
function keyText({ manifest, key, openedBy }: Omit<RunbookBackup, 'provenAt' | 'parents'>): string {
  const inKms = openedBy.filter(({ keyId }) => kmsRegionOf(keyId) !== null);
  const names = openedBy.filter((one) => !inKms.includes(one)).map(({ name }) => name);
  const kms = inKms.map(({ name, keyId }) => `${name} (${keyId})`).join(' or ');
  if (names.length > 0)
    return `KEY is the private key of ${names.join(' or ')}.${kms === '' ? '' : ` In KMS it is opened by ${kms} too, which these commands do not use.`}`;
  return `**No private key opens ${refText(manifest)}: only KMS does, with ${kms}.** The commands below cannot. Open its \`${key}\` with the vendor's library and a KMS keyring of that ARN, from an account that may \`kms:Decrypt\`.`;
}

function openLines(ref: BackupRef, key: string, { name, storedSha256, plainSha256 }: Artifact): string {
  const plain = `"$WORK/${refText(ref)}/${name}"`;
  return [
    `echo "${storedSha256}  $REPOSITORY/${backupFolder(ref)}${name}" | sha256sum --check --quiet`,
    `"$WORK/venv/bin/python" "$WORK/open.py" "$REPOSITORY" "$KEY" ${ref.system} ${ref.backupId} ${key} ${name} | zstd -dq > ${plain}`,
    `echo "${plainSha256}  $WORK/${refText(ref)}/${name}" | sha256sum --check --quiet`,
  ].join('\n');
}
