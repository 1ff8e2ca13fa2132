// Small signed records beside the backups: proofs, holds and withdrawals. Each says its type, so that none can pass for
// another.
import { Failure } from './failures.ts';
import type { BackupRef } from './manifest.ts';
import { FORMAT, requireFormat, safeName } from './manifest-record.ts';
import { ISO_TIME, parseJson, type RecordShape, SHA256, shapeOf } from './record-shape.ts';
import { isSystemName } from './systems.ts';

interface SmallRecord extends BackupRef {
  readonly format: 1;
  readonly platform: string;
}

/** A backup was restored and compared. */
export interface ProofRecord extends SmallRecord {
  readonly type: 'proof';
  /** Hash of the manifest that was proven. */
  readonly manifestSha256: string;
  readonly provenAt: string;
  readonly run: string;
  readonly checks: readonly string[];
}

/** A backup must be kept whatever its age, or need no longer be. */
export interface HoldRecord extends SmallRecord {
  readonly type: 'hold' | 'release';
  readonly at: string;
  readonly reason: string;
  readonly person: string;
}

/** A backup was taken out of one tier's list; its data is deleted after the grace. */
export interface WithdrawalRecord extends SmallRecord {
  readonly type: 'withdrawal';
  readonly tier: string;
  readonly withdrawnAt: string;
}

function common(text: string, type: RegExp) {
  const shape = shapeOf(parseJson(text, 'record', 'MANIFEST_UNTRUSTED'), 'record', 'MANIFEST_UNTRUSTED');
  requireFormat(shape.whole('format'), 'record');
  shape.text('type', type);
  const system = shape.text('system');
  if (!isSystemName(system)) throw new Failure('MANIFEST_UNTRUSTED', `record names an unknown system '${system}'`);
  return {
    shape,
    head: { format: FORMAT, platform: shape.text('platform'), system, backupId: safeName(shape, 'backupId') },
  };
}

const textsOf = (shape: RecordShape) => ({ reason: shape.text('reason'), person: shape.text('person') });

/** @throws {Failure} MANIFEST_UNTRUSTED when it is not a well-formed proof, VERSION_UNFIT. */
export function parseProof(text: string): ProofRecord {
  const { shape, head } = common(text, /^proof$/);
  return {
    type: 'proof',
    ...head,
    manifestSha256: shape.text('manifestSha256', SHA256),
    provenAt: shape.text('provenAt', ISO_TIME),
    run: shape.text('run'),
    checks: shape.texts('checks'),
  };
}

/** @throws {Failure} MANIFEST_UNTRUSTED when it is not a well-formed hold or release, VERSION_UNFIT. */
export function parseHold(text: string): HoldRecord {
  const { shape, head } = common(text, /^(hold|release)$/);
  return {
    type: shape.text('type') as HoldRecord['type'],
    ...head,
    at: shape.text('at', ISO_TIME),
    ...textsOf(shape),
  };
}

/** @throws {Failure} MANIFEST_UNTRUSTED when it is not a well-formed withdrawal, VERSION_UNFIT. */
export function parseWithdrawal(text: string): WithdrawalRecord {
  const { shape, head } = common(text, /^withdrawal$/);
  return {
    type: 'withdrawal',
    ...head,
    tier: shape.text('tier'),
    withdrawnAt: shape.text('withdrawnAt', ISO_TIME),
  };
}
