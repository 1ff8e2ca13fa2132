// What the witness says of an outage, and what it has said: one alarm, one word about the plan, one at the end.
import type { Notice } from './contracts/repository.ts';
import type { FailoverBrief } from './failover-brief.ts';
import { canonicalJson } from './json.ts';
import type { Outage } from './outage.ts';
import { formatSeconds } from './quantities.ts';
import { ISO_TIME, parseJson, shapeOf } from './record-shape.ts';

export const TELLINGS = ['alarm', 'plan', 'end'] as const;
export type Telling = (typeof TELLINGS)[number];

/** That something was told: a witness that is started again says nothing twice. */
export interface ToldRecord {
  readonly format: 1;
  readonly platform: string;
  /** Of the outage. */
  readonly since: string;
  readonly what: Telling;
  readonly at: string;
}

/** `2026-11-24T03-00-00.000Z-alarm.json`: named by its outage. */
export const toldName = ({ since, what }: Pick<ToldRecord, 'since' | 'what'>): string =>
  `${since.replaceAll(':', '-')}-${what}.json`;

export const isToldName = (name: string): boolean => /^\d{4}-[\dTZ.-]+-(alarm|plan|end)\.json$/.test(name);

export const formatTold = (record: ToldRecord): string => `${canonicalJson({ ...record })}\n`;

/** @throws {Failure} LEDGER_BROKEN when the text is no such record. */
export function parseTold(text: string, name: string): ToldRecord {
  const shape = shapeOf(parseJson(text, name, 'LEDGER_BROKEN'), name, 'LEDGER_BROKEN');
  const word = shape.text('what', /^(alarm|plan|end)$/);
  const what = TELLINGS.find((known) => known === word) ?? 'alarm';
  const facts = {
    platform: shape.text('platform'),
    since: shape.text('since', ISO_TIME),
    at: shape.text('at', ISO_TIME),
  };
  return { format: 1, what, ...facts };
}

/** What has to be told next; null when all is told. */
export function dueOf({ until }: Outage, told: ReadonlySet<Telling>): Telling | null {
  const wanted: readonly Telling[] = until === null ? ['alarm', 'plan'] : ['end'];
  return wanted.find((one) => !told.has(one)) ?? null;
}

/** What the dry run of a failover said, or why there is none. */
export type PreparedPlan =
  | { readonly digest: string; readonly brief: Pick<FailoverBrief, 'lossSeconds' | 'serveSeconds' | 'next'> }
  | { readonly missing: string };

export interface OutageFacts {
  readonly platform: string;
  readonly outage: Outage;
  /** The sites that could take over. */
  readonly standbys: readonly string[];
}

const noticeOf = (
  { platform, outage }: OutageFacts,
  notice: Pick<Notice, 'type' | 'level' | 'message' | 'facts'>,
): Notice => ({ ...notice, subject: platform, run: `witness/${platform}/${outage.since}` });

/** The command that shows what a failover would do. */
export const planCommand = ({ standbys }: Pick<OutageFacts, 'standbys'>): string =>
  `dr failover plan --to ${standbys.length === 1 ? standbys[0] : 'SITE'}`;

/** The one alarm. @param failing what did not answer, in words. */
export function alarmNotice(facts: OutageFacts, failing: readonly string[]): Notice {
  const { outage } = facts;
  const seen = failing.length === 0 ? outage.by : failing.join('; ');
  return noticeOf(facts, {
    ...{ type: 'outage.began', level: 'alarm' },
    message: `clients are not served since ${outage.since}: ${seen}`,
    facts: { since: outage.since, by: outage.by, next: planCommand(facts) },
  });
}

/** What the plan says, or that there is none. A person starts every failover. */
export function planNotice(facts: OutageFacts, plan: PreparedPlan): Notice {
  const told = 'missing' in plan ? withoutPlan(facts, plan.missing) : withPlan(plan);
  return noticeOf(facts, { ...{ type: 'outage.planned', level: 'warning' }, ...told });
}

function withoutPlan(facts: OutageFacts, why: string): Pick<Notice, 'message' | 'facts'> {
  const next = planCommand(facts);
  return { message: `no failover could be planned: ${why}`, facts: { next } };
}

function withPlan({ digest, brief }: Exclude<PreparedPlan, { missing: string }>): Pick<Notice, 'message' | 'facts'> {
  const { lossSeconds, serveSeconds, next } = brief;
  const loss = Object.entries(lossSeconds).map(([system, seconds]) => `${system} ${formatSeconds(seconds)}`);
  const serves =
    serveSeconds === null ? 'after a time that was never measured' : `after about ${formatSeconds(serveSeconds)}`;
  const message = `a failover is planned, and nothing is done: it would lose at most the writes of the last ${loss.join(', ')} and serve ${serves}`;
  return { message, facts: { plan: digest, next } };
}

/** That it is over. */
export function endNotice(facts: OutageFacts): Notice {
  const { since, until } = facts.outage;
  return noticeOf(facts, {
    ...{ type: 'outage.ended', level: 'warning' },
    message: `clients are served again since ${until}; they were not since ${since}`,
    facts: { since, until },
  });
}

/** That a channel takes nothing while an outage lasts. */
export const channelNotice = (facts: OutageFacts, words: string): Notice =>
  noticeOf(facts, { ...{ type: 'notification.failed', level: 'warning' }, message: words, facts: {} });
