// The compare-and-set that moves a zone, its repeat, and its undo.
import type { Route53Client } from '@aws-sdk/client-route-53';
import type { DnsChange, MoveDnsInput, UndoMoveDnsInput } from '../../domain/contracts/dns.ts';
import { describeEpoch, epochText, isClaim, parseEpochText } from '../../domain/dns.ts';
import { checkZone, type DnsSettings, epochTextOf, planMove, type ZoneFacts } from '../../domain/dns-zone.ts';
import { Failure } from '../../domain/failures.ts';
import { refusalOf } from './route53-client.ts';
import { readZone, sendBatch } from './zone.ts';

export interface Zone {
  readonly client: Route53Client;
  readonly settings: DnsSettings;
}

/** Moves the zone to a site, if its epoch is the one that was planned on or was made by this very move. */
export async function moveZone(zone: Zone, input: MoveDnsInput): Promise<DnsChange> {
  requireSite(zone.settings, input.to);
  const facts = await readZone(zone.client, zone.settings);
  const now = epochTextOf(facts, zone.settings);
  if (isOwn(now, input)) return confirm(zone, facts, input, now);
  requireUnmoved(now, input);
  requireFit(facts, zone.settings);
  return send(zone, facts, input);
}

/** Gives the zone back to a site, from after the move as from before it. */
export async function undoZoneMove(zone: Zone, { move, epoch, to }: UndoMoveDnsInput): Promise<DnsChange> {
  const back = { epoch, to, run: move.run };
  const facts = await readZone(zone.client, zone.settings);
  const now = epochTextOf(facts, zone.settings);
  return moveZone(zone, { ...back, expected: isOwn(now, move) ? now : move.expected });
}

function isOwn(text: string | null, { epoch, to, run }: MoveDnsInput): text is string {
  return isClaim(text, { number: epoch, site: to, run });
}

function requireSite({ sites }: DnsSettings, site: string): void {
  if (!Object.hasOwn(sites, site)) throw new Failure('DNS_UNFIT', `site '${site}' has no dns.addresses`);
}

function requireUnmoved(now: string | null, { expected, epoch, to }: MoveDnsInput): void {
  const planned = `the move to '${to}' as epoch ${epoch} was planned on ${describeEpoch(expected)}`;
  if (now !== expected) throw new Failure('DNS_STALE', `${planned}, and the zone has ${describeEpoch(now)}`);
  const number = now === null ? 0 : (parseEpochText(now)?.number ?? 0);
  if (number >= epoch) throw new Failure('DNS_STALE', `${planned}: an epoch must rise`);
}

function requireFit(facts: ZoneFacts, settings: DnsSettings): void {
  const bad = checkZone(facts, settings).filter(({ level }) => level === 'failed');
  if (bad.length === 0) return;
  throw new Failure('DNS_UNFIT', bad.map(({ subject, message }) => `${subject}: ${message}`).join('; '));
}

async function send(zone: Zone, facts: ZoneFacts, input: MoveDnsInput): Promise<DnsChange> {
  const { epoch, to, run, expected } = input;
  const text = epochText({ number: epoch, site: to, run }, new Date().toISOString());
  try {
    return {
      ...(await sendBatch(zone.client, zone.settings.zone, planMove(facts, zone.settings, { to, expected, text }))),
      text,
    };
  } catch (error) {
    const why = refusalOf(error);
    if (why === null) throw error;
    return afterRefusal(zone, input, why);
  }
}

// A refusal has three reasons: somebody was quicker, an answer of ours was lost and this was the client's second try, or
// the batch itself is wrong. What the zone holds now tells which.
async function afterRefusal(zone: Zone, input: MoveDnsInput, why: string): Promise<DnsChange> {
  const facts = await readZone(zone.client, zone.settings);
  const now = epochTextOf(facts, zone.settings);
  if (isOwn(now, input)) return confirm(zone, facts, input, now);
  requireUnmoved(now, input);
  throw new Failure('DNS_UNFIT', `Route 53 refused the batch as a whole: ${why}`);
}

// The first answer, with the change's id, may be lost. The same batch over its own text changes nothing, is refused when
// somebody moved on, and names a change that is INSYNC no sooner than the first.
async function confirm(zone: Zone, facts: ZoneFacts, input: MoveDnsInput, text: string): Promise<DnsChange> {
  const changes = planMove(facts, zone.settings, { to: input.to, expected: text, text });
  try {
    return { ...(await sendBatch(zone.client, zone.settings.zone, changes)), text };
  } catch (error) {
    const why = refusalOf(error);
    if (why === null) throw error;
    const now = epochTextOf(await readZone(zone.client, zone.settings), zone.settings);
    requireUnmoved(now, { ...input, expected: text });
    throw new Failure('DNS_UNFIT', `Route 53 refused the batch as a whole: ${why}`);
  }
}
