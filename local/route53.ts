// In place of Route 53, for the demo and the tests: its API over one hosted zone, as strict as the real one about a
// change batch, and real DNS servers that answer from the same zone once a change is INSYNC.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterBatch, type Records, type ZoneRecordSet } from './route53/hosted-zone.ts';
import {
  absolute,
  type ChangeMessage,
  changeAnswer,
  changesOf,
  errorAnswer,
  healthAnswer,
  listAnswer,
  refusedAnswer,
  zoneAnswer,
} from './route53/messages.ts';
import { type NameServer, startNameServer } from './route53/name-server.ts';
import { freePort } from './servers.ts';

/** What happens to a request: `lose` does it and drops the answer; `drop` and `hang` do not do it; `throttle` says so. */
export type Fate = 'answer' | 'lose' | 'drop' | 'hang' | 'throttle';

export interface LocalRoute53 {
  readonly endpoint: string;
  readonly zoneId: string;
  readonly zoneName: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly nameServers: readonly NameServer[];
  /** How long a change stays PENDING, and is given by no server; Infinity: for ever. */
  pendingMs: number;
  /** Says INSYNC and tells the servers nothing. */
  lies: boolean;
  /** The health checks that Route 53 makes: an HTTP address each, that must answer 2xx or 3xx. */
  readonly healthChecks: Map<string, string>;
  /** How a refused batch is told: Route 53 knows both. */
  refusal: 'document' | 'error';
  /** Decides about each request by the name of its operation. */
  fate: (operation: string) => Fate;
  /** Changes that were made, and batches that were refused, so far. */
  readonly count: { made: number; refused: number };
  /** What the API holds, published or not. */
  records(): readonly ZoneRecordSet[];
  close(): Promise<void>;
}

export interface LocalRoute53Options {
  readonly zoneName: string;
  readonly records: readonly ZoneRecordSet[];
  readonly nameServers?: number;
  readonly port?: number;
}

/** Starts the API and the name servers of one zone, with its first records published. */
export async function startRoute53(options: LocalRoute53Options): Promise<LocalRoute53> {
  const gate = new Gate(options);
  const source = { records: () => gate.given(), zoneName: gate.zoneName };
  for (let index = 0; index < (options.nameServers ?? 2); index++) gate.nameServers.push(await startNameServer(source));
  const server = createServer((request, response) => void gate.serve(request, response));
  const port = options.port ?? (await freePort());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  gate.endpoint = `http://127.0.0.1:${port}`;
  gate.end = async () => {
    server.closeAllConnections();
    await Promise.all([new Promise((done) => server.close(done)), ...gate.nameServers.map((one) => one.close())]);
  };
  return gate;
}

interface Change {
  readonly id: string;
  readonly submittedAt: number;
  readonly pendingMs: number;
  readonly lies: boolean;
  readonly records: Records;
}

const PAGE = 100;
const HEALTH_EVERY_MS = 250;

class Gate implements LocalRoute53 {
  endpoint = '';
  readonly zoneId = 'ZLOCALGATE0001';
  readonly zoneName: string;
  readonly accessKeyId = 'local-access';
  readonly secretAccessKey = 'local-secret-key';
  readonly nameServers: NameServer[] = [];
  readonly healthChecks = new Map<string, string>();
  readonly count = { made: 0, refused: 0 };
  pendingMs = 0;
  lies = false;
  refusal: 'document' | 'error' = 'error';
  fate: (operation: string) => Fate = () => 'answer';
  end: () => Promise<void> = async () => undefined;
  readonly #failing = new Set<string>();
  readonly #changes: Change[] = [];
  readonly #first: Records;
  readonly #looking: NodeJS.Timeout;
  #records: Records;

  constructor({ zoneName, records }: LocalRoute53Options) {
    this.zoneName = absolute(zoneName);
    const batch = afterBatch(
      new Map(),
      records.map((set) => ({ action: 'CREATE', set })),
      this.zoneName,
    );
    if ('refused' in batch) throw new Error(batch.refused.join('; '));
    this.#first = batch.records;
    this.#records = batch.records;
    this.#looking = setInterval(() => void this.#checkHealth(), HEALTH_EVERY_MS).unref();
  }

  records(): readonly ZoneRecordSet[] {
    return [...this.#records.values()];
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.end();
  }

  /** What the name servers give: the newest change that is INSYNC, of each pair the one that health lets be given. */
  given(): Records {
    const published = this.#changes.findLast((one) => !one.lies && isInsync(one))?.records ?? this.#first;
    return new Map([...published].filter(([, set]) => this.#isGiven(set, [...published.values()])));
  }

  #isGiven(set: ZoneRecordSet, all: readonly ZoneRecordSet[]): boolean {
    if (set.failover === undefined) return true;
    const pair = all.filter(({ name, type }) => name === set.name && type === set.type);
    const passes = (role: string) => {
      const check = pair.find(({ failover }) => failover === role);
      return check !== undefined && !this.#failing.has(check.healthCheckId ?? '');
    };
    const role = !passes('PRIMARY') && passes('SECONDARY') ? 'SECONDARY' : 'PRIMARY';
    return set.failover === role;
  }

  async #checkHealth(): Promise<void> {
    for (const [id, address] of this.healthChecks) {
      const passes = await fetch(address, { signal: AbortSignal.timeout(1000), redirect: 'manual' }).then(
        ({ status }) => status >= 200 && status < 400,
        () => false,
      );
      if (passes) this.#failing.delete(id);
      else this.#failing.add(id);
    }
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://gate');
    const call = OPERATIONS.find(({ method, path }) => method === request.method && path.test(pathname));
    const fate = this.fate(call?.operation ?? 'unknown');
    if (fate === 'hang') return;
    if (fate === 'drop') return void request.socket.destroy();
    if (fate === 'throttle') return send(response, 400, errorAnswer('Throttling', 'Rate exceeded'));
    const [status, answer] = this.#answer(request, call, {
      id: call?.path.exec(pathname)?.[1] ?? '',
      searchParams,
      body,
    });
    if (fate === 'lose') return void request.socket.destroy();
    send(response, status, answer);
  }

  #answer(request: IncomingMessage, call: Operation | undefined, asked: Asked): [number, string] {
    if (!(request.headers.authorization ?? '').includes(`Credential=${this.accessKeyId}/`))
      return [403, errorAnswer('InvalidClientTokenId', 'The security token included in the request is invalid.')];
    if (call === undefined)
      return [400, errorAnswer('InvalidInput', `${request.method} ${request.url} is not known here`)];
    if (call.path.source.includes('hostedzone') && asked.id !== this.zoneId)
      return [404, errorAnswer('NoSuchHostedZone', `No hosted zone found with ID: ${asked.id}`)];
    return call.answer(this, asked);
  }

  change(body: string): [number, string] {
    const batch = afterBatch(this.#records, changesOf(body), this.zoneName);
    if ('refused' in batch) {
      this.count.refused++;
      return [400, refusedAnswer(batch.refused, this.refusal)];
    }
    this.count.made++;
    this.#records = batch.records;
    const { pendingMs, lies } = this;
    const id = `C${String(this.count.made).padStart(13, '0')}`;
    const change = { id, submittedAt: Date.now(), pendingMs, lies, records: batch.records };
    this.#changes.push(change);
    return [200, changeAnswer('ChangeResourceRecordSets', asMessage(change))];
  }

  readChange(id: string): [number, string] {
    const change = this.#changes.find((one) => one.id === id);
    if (!change) return [404, errorAnswer('NoSuchChange', `Could not find resource with ID: ${id}`)];
    return [200, changeAnswer('GetChange', asMessage(change))];
  }

  list(name: string, type: string): [number, string] {
    const place = (set: { name: string; type: string }) => `${set.name.split('.').reverse().join('.')} ${set.type}`;
    const sorted = this.records().toSorted((a, b) => (place(a) < place(b) ? -1 : 1));
    const from = sorted.filter((set) => name === '' || place(set) >= place({ name: absolute(name), type }));
    return [200, listAnswer(from.slice(0, PAGE), from[PAGE])];
  }

  health(id: string): [number, string] {
    if (!this.healthChecks.has(id)) return [404, errorAnswer('NoSuchHealthCheck', `No health check exists with ${id}`)];
    return [200, healthAnswer(!this.#failing.has(id), new Date().toISOString())];
  }
}

const isInsync = ({ submittedAt, pendingMs }: Change): boolean => Date.now() >= submittedAt + pendingMs;
const asMessage = (change: Change): ChangeMessage => ({
  id: change.id,
  status: isInsync(change) ? 'INSYNC' : 'PENDING',
  submittedAt: new Date(change.submittedAt).toISOString(),
});

interface Asked {
  readonly id: string;
  readonly searchParams: URLSearchParams;
  readonly body: string;
}

interface Operation {
  readonly operation: string;
  readonly method: string;
  readonly path: RegExp;
  readonly answer: (gate: Gate, asked: Asked) => [number, string];
}

const operation = (name: string, method: string, path: RegExp, answer: Operation['answer']): Operation => ({
  operation: name,
  method,
  path,
  answer,
});

const OPERATIONS: readonly Operation[] = [
  operation('ChangeResourceRecordSets', 'POST', /^\/2013-04-01\/hostedzone\/(\w+)\/rrset\/?$/, (gate, { body }) =>
    gate.change(body),
  ),
  operation('ListResourceRecordSets', 'GET', /^\/2013-04-01\/hostedzone\/(\w+)\/rrset$/, (gate, { searchParams }) =>
    gate.list(searchParams.get('name') ?? '', searchParams.get('type') ?? ''),
  ),
  operation('GetHostedZone', 'GET', /^\/2013-04-01\/hostedzone\/(\w+)$/, (gate) => [
    200,
    zoneAnswer(
      gate.zoneId,
      gate.zoneName,
      gate.nameServers.map(({ address }) => address),
    ),
  ]),
  operation('GetChange', 'GET', /^\/2013-04-01\/change\/(\w+)$/, (gate, { id }) => gate.readChange(id)),
  operation('GetHealthCheckStatus', 'GET', /^\/2013-04-01\/healthcheck\/([\w-]+)\/status$/, (gate, { id }) =>
    gate.health(id),
  ),
];

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
}
