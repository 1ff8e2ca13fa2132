// Certificates are backed up when they change: one activity waits for that, on the site's own worker.

export interface WatchInput {
  readonly site: string;
  /** Digest of the last state that was acted on; null when there is none yet. */
  readonly knownDigest: string | null;
}

export interface CertificateState {
  /** Names the content of all certificate, chain and key files. Opaque; tells nothing about keys. */
  readonly digest: string;
  /** Files that differ from the known state, by their paths in a backup; empty when nothing changed in time. */
  readonly changedFiles: readonly string[];
}

export interface CertificateWatch {
  /**
   * Returns as soon as the files differ from `knownDigest`, at once when that is null, and after half an hour with the
   * same digest, so that a workflow can continue as new. Ends at once when cancelled.
   */
  waitForChange(input: WatchInput): Promise<CertificateState>;
}
