// Route 53's XML, as far as the gate speaks it.
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53.html
import { XMLParser } from 'fast-xml-parser';
import type { ZoneChange, ZoneRecordSet } from './hosted-zone.ts';

const NAMESPACE = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"';

const parser = new XMLParser({
  parseTagValue: false,
  ignoreAttributes: true,
  isArray: (name) => name === 'Change' || name === 'ResourceRecord',
});

interface SetMessage {
  readonly Name: string;
  readonly Type: string;
  readonly TTL?: string;
  readonly ResourceRecords?: { readonly ResourceRecord?: readonly { readonly Value: string }[] };
  readonly SetIdentifier?: string;
  readonly Failover?: 'PRIMARY' | 'SECONDARY';
  readonly HealthCheckId?: string;
}

/** The changes of a request. @throws {Error} when it is not one. */
export function changesOf(body: string): ZoneChange[] {
  const changes = parser.parse(body)?.ChangeResourceRecordSetsRequest?.ChangeBatch?.Changes?.Change;
  if (!Array.isArray(changes)) throw new Error('a request without changes');
  return changes.map(({ Action, ResourceRecordSet }) => ({ action: Action, set: setOf(ResourceRecordSet) }));
}

function setOf(message: SetMessage): ZoneRecordSet {
  const { SetIdentifier, Failover, HealthCheckId } = message;
  return {
    name: absolute(message.Name),
    type: message.Type,
    ttl: Number(message.TTL ?? Number.NaN),
    values: (message.ResourceRecords?.ResourceRecord ?? []).map(({ Value }) => Value),
    ...(SetIdentifier === undefined ? {} : { setIdentifier: SetIdentifier }),
    ...(Failover === undefined ? {} : { failover: Failover }),
    ...(HealthCheckId === undefined ? {} : { healthCheckId: HealthCheckId }),
  };
}

/** Lower case and with the final dot, as Route 53 keeps names. */
export function absolute(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower : `${lower}.`;
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string | number): string => String(text).replaceAll(/[&<>"]/g, (mark) => ESCAPES[mark] ?? mark);
const tag = (name: string, content: string): string => `<${name}>${content}</${name}>`;
const leaf = (name: string, value: string | number | undefined): string =>
  value === undefined ? '' : tag(name, escaped(value));
const message = (name: string, content: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${name} ${NAMESPACE}>${content}</${name}>`;

export interface ChangeMessage {
  readonly id: string;
  readonly status: 'PENDING' | 'INSYNC';
  readonly submittedAt: string;
}

export function changeAnswer(operation: string, { id, status, submittedAt }: ChangeMessage): string {
  const info = leaf('Id', `/change/${id}`) + leaf('Status', status) + leaf('SubmittedAt', submittedAt);
  return message(`${operation}Response`, tag('ChangeInfo', info));
}

export function zoneAnswer(id: string, name: string, nameServers: readonly string[]): string {
  const zone = leaf('Id', `/hostedzone/${id}`) + leaf('Name', name) + leaf('CallerReference', id);
  const servers = tag('NameServers', nameServers.map((one) => leaf('NameServer', one)).join(''));
  return message('GetHostedZoneResponse', tag('HostedZone', zone) + tag('DelegationSet', servers));
}

function setMessage(set: ZoneRecordSet): string {
  const records = set.values.map((value) => tag('ResourceRecord', leaf('Value', value))).join('');
  const content = [
    leaf('Name', set.name),
    leaf('Type', set.type),
    leaf('SetIdentifier', set.setIdentifier),
    leaf('Failover', set.failover),
    leaf('TTL', set.ttl),
    tag('ResourceRecords', records),
    leaf('HealthCheckId', set.healthCheckId),
  ];
  return tag('ResourceRecordSet', content.join(''));
}

/** One page of a listing; `next` is where the following one begins. */
export function listAnswer(page: readonly ZoneRecordSet[], next: ZoneRecordSet | undefined): string {
  const more =
    leaf('NextRecordName', next?.name) +
    leaf('NextRecordType', next?.type) +
    leaf('NextRecordIdentifier', next?.setIdentifier);
  const sets = tag('ResourceRecordSets', page.map(setMessage).join(''));
  const isTruncated = leaf('IsTruncated', String(next !== undefined));
  return message('ListResourceRecordSetsResponse', sets + isTruncated + more + leaf('MaxItems', 300));
}

export function healthAnswer(passes: boolean, checkedAt: string): string {
  const status = passes ? 'Success: HTTP Status Code 200, OK' : 'Failure: no 2xx or 3xx answer';
  const report = tag('StatusReport', leaf('Status', status) + leaf('CheckedTime', checkedAt));
  const observation = tag(
    'HealthCheckObservation',
    leaf('Region', 'us-east-1') + leaf('IPAddress', '127.0.0.1') + report,
  );
  return message('GetHealthCheckStatusResponse', tag('HealthCheckObservations', observation));
}

/** The refusal of a batch, in either of the two forms in which Route 53 says it. */
export function refusedAnswer(reasons: readonly string[], form: 'document' | 'error'): string {
  if (form === 'error') return errorAnswer('InvalidChangeBatch', `[${reasons.join(', ')}]`);
  const messages = tag('Messages', reasons.map((reason) => leaf('Message', reason)).join(''));
  return message('InvalidChangeBatch', messages + leaf('RequestId', 'gate'));
}

export function errorAnswer(code: string, words: string): string {
  const error = leaf('Type', 'Sender') + leaf('Code', code) + leaf('Message', words);
  return message('ErrorResponse', tag('Error', error) + leaf('RequestId', 'gate'));
}
