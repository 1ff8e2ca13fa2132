// What leaves the platform when something is worth telling: one CloudEvent for machines, one text for people.
import type { Notice } from './contracts/repository.ts';
import { canonicalJson } from './json.ts';

export type NoticeLevel = Notice['level'];

const LEVELS: readonly NoticeLevel[] = ['info', 'warning', 'alarm'];

/** True when a channel that wants `atLeast` should hear of `level`. */
export function isHeard(level: NoticeLevel, atLeast: NoticeLevel): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(atLeast);
}

/** Names the event: the same run telling the same thing of the same subject is one event, however often it is sent. */
export function noticeKey({ run, type, subject }: Notice): string {
  return canonicalJson([run, type, subject]);
}

/** CloudEvents 1.0, structured mode. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: Omit<Notice, 'type' | 'subject'>;
}

export interface EventMoment {
  readonly platform: string;
  readonly id: string;
  /** ISO time (UTC) of sending. */
  readonly time: string;
}

/** The event of a notice. `source` and `id` together name it: a receiver that saw them drops the second. */
export function cloudEvent(notice: Notice, { platform, id, time }: EventMoment): CloudEvent {
  const { type, subject, ...data } = notice;
  const head = { specversion: '1.0', id, source: `/holdfast/${platform}`, type, subject, time } as const;
  return { ...head, datacontenttype: 'application/json', data };
}

const MARKS: Record<NoticeLevel, string> = {
  info: ':white_check_mark:',
  warning: ':warning:',
  alarm: ':rotating_light:',
};
/** Slack cuts a text at 40,000 characters and advises 4,000. */
const SLACK_CHARACTERS = 3900;

/** The body for a Slack incoming webhook. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export function slackMessage(notice: Notice, platform: string): { readonly text: string } {
  const facts = Object.entries(notice.facts).map(
    ([name, value]) => `• ${slackText(name)}: ${slackText(String(value))}`,
  );
  const lines = [
    `${MARKS[notice.level]} *${slackText(platform)}*: ${slackText(notice.subject)}`,
    slackText(notice.message),
    ...facts,
    `run ${slackText(notice.run)}`,
  ];
  return { text: lines.join('\n').slice(0, SLACK_CHARACTERS) };
}

// Names come from outside: without this a database called <!channel> would call everyone.
const slackText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
