// Holds a backup still in the middle of one artifact.
import type { ArtifactSpec, BackupWriter, ByteSource } from '../../../domain/contracts/backup-content.ts';

type Gate = { reached: Promise<void>; open: () => void; writer: BackupWriter };

/** A writer that takes one chunk of the named artifact and then waits: the tool behind it is in the middle of its work. */
export function gated(writer: BackupWriter, name: string): Gate {
  let reach = () => {};
  let open = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  async function* slow(source: ByteSource): ByteSource {
    for await (const chunk of source) {
      yield chunk;
      reach();
      await opened;
    }
  }
  const begin: BackupWriter['begin'] = async (ref) => {
    const backup = await writer.begin(ref);
    if ('alreadyTaken' in backup) return backup;
    const addArtifact = (spec: ArtifactSpec, source: ByteSource) =>
      backup.addArtifact(spec, spec.name === name ? slow(source) : source);
    return { ...backup, addArtifact };
  };
  return { reached, open: () => open(), writer: { begin } };
}
