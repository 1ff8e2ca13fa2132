// What proves that no client wrote: the server's own housekeeping moves nothing, every write of a client does.
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';

let cluster: Cluster;
let client: pg.Client;
beforeAll(async () => {
  const app = 'create table t (id int); insert into t select generate_series(1, 1000); create sequence s';
  cluster = await startCluster({ app });
  const { port, password } = cluster.server;
  client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'app' });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await cluster?.end();
});

const position = async () => (await cluster.system.readPosition({})).position;

it('a server stands where it stood after its own housekeeping, and elsewhere after each write of a session that stays open', {
  timeout: 300_000,
}, async () => {
  let before = await position();
  await cluster.ask('app', 'analyze');
  await cluster.ask('app', 'vacuum freeze t');
  expect(await position()).toBe(before);
  for (const statement of ['insert into t values (1)', 'alter table t add column more text', "select nextval('s')"]) {
    await client.query(statement);
    const after = await position();
    expect(after, statement).not.toBe(before);
    before = after;
  }
});
