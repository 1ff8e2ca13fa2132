// Whether another site could take over now: its stores stand and answer. Nobody is hurt yet when they do not, so that is a
// warning; a site that says nothing is unknown.
import type { Look } from '../contracts/status.ts';
import type { StatusLine, SystemStatus } from '../contracts/system-status.ts';
import { SYSTEMS, type SystemName } from '../systems.ts';
import { unseenLine, worstOf } from './lines.ts';

export interface Standby {
  readonly stores: Readonly<Partial<Record<SystemName, Look<SystemStatus>>>>;
  /** True where Terraform makes what does not stand. */
  readonly provisions: boolean;
}

/** One line a store of a site that stands by. */
export function standbyLines({ stores, provisions }: Standby): readonly StatusLine[] {
  return Object.entries(stores).map(([name, look]) => storeLine(SYSTEMS[name as SystemName].title, look, provisions));
}

function storeLine(title: string, look: Look<SystemStatus>, provisions: boolean): StatusLine {
  if ('seen' in look) return standingLine(title, look.seen);
  const unseen = unseenLine(title, look.unseen);
  if (unseen.level !== 'failed') return unseen;
  const told = `does not stand: ${look.unseen.message.split('\n', 1)[0]}`;
  return provisions
    ? { ...unseen, level: 'ok', code: null, message: `${told}; a failover makes it by Terraform` }
    : { ...unseen, level: 'warning', message: `${told}; a failover needs it first` };
}

function standingLine(title: string, { lines }: SystemStatus): StatusLine {
  const level = worstOf(lines.map((line) => line.level));
  const worst = lines.find((line) => line.level === level);
  if (level === 'ok') return { level, subject: title, message: 'stands and answers', code: null };
  if (worst === undefined) return { level, subject: title, message: 'tells nothing of itself', code: null };
  const message = `${worst.subject}: ${worst.message}`;
  return { level: level === 'failed' ? 'warning' : level, subject: title, message, code: worst.code };
}
