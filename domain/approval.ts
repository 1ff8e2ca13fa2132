// Approvals of what must not rest on one session at one terminal: signed statements of people, bound to one plan of one
// run, expiring, each used once.
import { Failure } from './failures.ts';
import { canonicalJson } from './json.ts';
import { ISO_TIME, parseJson, SHA256, shapeOf } from './record-shape.ts';

/** What people agree to. */
const ACTIONS = ['failover', 'failback'] as const;
export type ApprovedAction = (typeof ACTIONS)[number];

export interface ApprovalStatement {
  readonly format: 1;
  readonly platform: string;
  /** `<workflow id>/<run id>`. */
  readonly run: string;
  /** SHA-256 of the plan. */
  readonly digest: string;
  /** The epoch that the plan takes. */
  readonly epoch: number;
  readonly action: ApprovedAction;
  /** The name that the configuration lists the key under. */
  readonly person: string;
  /** ISO time. */
  readonly expires: string;
  /** 32 random hexadecimal digits. */
  readonly nonce: string;
}

/** What a statement has to say to count. */
export type ApprovalWanted = Pick<ApprovalStatement, 'platform' | 'run' | 'digest' | 'epoch' | 'action'>;

/** A statement that was checked. */
export interface GivenApproval {
  readonly person: string;
  readonly keyId: string;
  readonly nonce: string;
}

export interface SignedStatement {
  /** The signed text itself: canonical JSON of an ApprovalStatement. */
  readonly statement: string;
  /** Base64 of the Ed25519 signature. */
  readonly signature: string;
}

/** The longest that a statement may be good for when it is made. */
export const LONGEST_SECONDS = 24 * 3600;

const NONCE = /^[0-9a-f]{32}$/;
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;

export const statementText = (statement: ApprovalStatement): string => canonicalJson({ ...statement });

/** One line that fits into a message or the Web UI. */
export const approvalText = ({ statement, signature }: SignedStatement): string =>
  Buffer.from(canonicalJson({ statement, signature })).toString('base64url');

/** @throws {Failure} APPROVAL_REFUSED when it is not the text of an approval. */
export function parseApproval(text: string): SignedStatement & { readonly says: ApprovalStatement } {
  const outer = shapeOf(
    parseJson(Buffer.from(text.trim(), 'base64url').toString('utf8'), 'the approval', 'APPROVAL_REFUSED'),
    'the approval',
    'APPROVAL_REFUSED',
  );
  const statement = outer.text('statement');
  return { statement, signature: outer.text('signature', SIGNATURE), says: parseStatement(statement) };
}

function parseStatement(text: string): ApprovalStatement {
  const what = "the approval's statement";
  const shape = shapeOf(parseJson(text, what, 'APPROVAL_REFUSED'), what, 'APPROVAL_REFUSED');
  const named = shape.text('action');
  const action = ACTIONS.find((known) => known === named);
  if (shape.whole('format') !== 1 || action === undefined)
    throw new Failure('APPROVAL_REFUSED', `${what} is of another kind`);
  return {
    format: 1,
    platform: shape.text('platform'),
    run: shape.text('run'),
    digest: shape.text('digest', SHA256),
    epoch: shape.whole('epoch'),
    action,
    person: shape.text('person'),
    expires: shape.text('expires', ISO_TIME),
    nonce: shape.text('nonce', NONCE),
  };
}

/**
 * Whether a statement is about what is wanted, now.
 * @param now milliseconds of the clock that judges.
 * @throws {Failure} APPROVAL_REFUSED with the difference.
 */
export function requireFitting(says: ApprovalStatement, wanted: ApprovalWanted, now: number): void {
  for (const name of ['platform', 'run', 'action', 'epoch', 'digest'] as const) {
    if (says[name] === wanted[name]) continue;
    const told = name === 'digest' ? 'another plan' : `${name} '${says[name]}'`;
    throw new Failure('APPROVAL_REFUSED', `the approval of ${says.person} is for ${told}`);
  }
  const left = Date.parse(says.expires) - now;
  if (!(left > 0))
    throw new Failure('APPROVAL_REFUSED', `the approval of ${says.person} was good until ${says.expires}`);
  if (left > LONGEST_SECONDS * 1000)
    throw new Failure('APPROVAL_REFUSED', `the approval of ${says.person} is good for longer than a day`);
}
