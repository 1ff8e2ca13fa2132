// What the stores' own figures mean.
import { describe, expect, it } from 'vitest';
import { judgePostgres, type PostgresFigures } from '../../../domain/systems/postgres-status.ts';
import { type BrokerNode, brokerFigures, judgeBroker } from '../../../domain/systems/rabbitmq-status.ts';
import { judgeRedis, redisFigures } from '../../../domain/systems/redis-status.ts';

const bad = (lines: readonly { level: string; subject: string }[]) =>
  lines.filter(({ level }) => level !== 'ok').map(({ level, subject }) => `${level} ${subject}`);

describe('PostgreSQL', () => {
  const database = { name: 'a', bytes: 1, tables: 2, estimatedRows: 3, unanalysed: 0, unseen: null };
  const good: PostgresFigures = {
    ...{ version: '15', timeline: 1, inRecovery: false, connections: 1, maxConnections: 100, databases: [database] },
    ...{ leftOut: 0, replicas: [], replayLagSeconds: null, receiver: null, slots: [], archivingFails: null },
  };
  const replica = { name: 'b', state: 'streaming', lagBytes: 0, lagSeconds: 0 };
  const slot = { name: 's', active: false, retainedBytes: 2 * 1024 ** 3 };

  it.each<[string[], Partial<PostgresFigures>]>([
    [[], {}],
    [['warning connections'], { connections: 95 }],
    [['unknown database "a"'], { databases: [{ ...database, tables: null, unseen: 'locked' }] }],
    [['unknown other databases'], { leftOut: 3 }],
    [['warning replica "b"'], { replicas: [{ ...replica, lagSeconds: 100 }] }],
    [['warning replica "b"'], { replicas: [{ ...replica, state: 'catchup' }] }],
    [['unknown replica "b"'], { replicas: [{ ...replica, lagBytes: null }] }],
    [['warning replication'], { inRecovery: true, receiver: null, replayLagSeconds: 1 }],
    [['unknown replication'], { inRecovery: true, receiver: 'streaming', replayLagSeconds: null }],
    [[], { inRecovery: true, receiver: 'streaming', replayLagSeconds: 0 }],
    [['warning replication slot "s"'], { slots: [slot] }],
    [[], { slots: [{ ...slot, active: true }] }],
    [['warning WAL archive'], { archivingFails: true }],
  ])('tells %o of %o', (wanted, some) => {
    expect(bad(judgePostgres({ ...good, ...some }))).toEqual(wanted);
  });

  it('says that its rows are an estimate', () => {
    expect(
      judgePostgres(good)
        .map(({ message }) => message)
        .join(),
    ).toContain("about 3 rows by the server's estimate");
  });
});

describe('Redis', () => {
  const info = {
    redis_version: '7.0.15',
    role: 'master',
    used_memory: '100',
    connected_clients: '1',
    db0: 'keys=2,expires=0',
  };

  it.each<[string[], Record<string, string>]>([
    [[], {}],
    [['warning server'], { loading: '1' }],
    [['warning memory'], { maxmemory: '101' }],
    [['warning memory'], { evicted_keys: '4' }],
    [['warning replica 10.0.0.2:6379'], { slave0: 'ip=10.0.0.2,port=6379,state=online,offset=5,lag=90' }],
    [[], { slave0: 'ip=10.0.0.2,port=6379,state=online,offset=5,lag=1' }],
    [['warning replication'], { role: 'slave', master_link_status: 'down', master_last_io_seconds_ago: '-1' }],
    [['failed disk'], { aof_last_write_status: 'err' }],
  ])('tells %o of %o', (wanted, some) => {
    expect(bad(judgeRedis(redisFigures({ ...info, ...some })))).toEqual(wanted);
  });
});

describe('RabbitMQ', () => {
  const node: BrokerNode = {
    ...{ name: 'n', running: true, memoryAlarm: false, diskAlarm: false, partitions: [], diskFreeBytes: 1 },
  };
  const queue = { vhost: '/', name: 'q', state: 'running', messages: 3, consumers: 0 };
  const judge = (nodes: readonly BrokerNode[], queues = [queue]) =>
    judgeBroker(brokerFigures({ version: '3', clusterName: 'c', nodes }, queues));

  it.each<[string[], Partial<BrokerNode>]>([
    [[], {}],
    [['failed node n'], { running: false }],
    [['failed node n'], { memoryAlarm: true }],
    [['failed node n', 'failed node n'], { diskAlarm: true, partitions: ['m'] }],
  ])('tells %o of a node with %o', (wanted, some) => {
    expect(bad(judge([{ ...node, ...some }]))).toEqual(wanted);
  });

  it('tells queues that are down, and those that tell nothing yet as unknown', () => {
    expect(bad(judge([node], [queue, { ...queue, name: 'd', state: 'down' }]))).toEqual([
      'failed queues',
      'failed queue "d" (vhost /)',
    ]);
    const silent = { ...queue, state: 'unknown', messages: null as unknown as number };
    expect(bad(judge([node], [silent]))).toEqual(['unknown queues']);
  });

  it('sums thousands of queues up and names the fullest', () => {
    const many = Array.from({ length: 3000 }, (_, n) => ({ ...queue, name: `q${n}`, messages: n }));
    const lines = judge([node], many);
    expect(lines.length).toBeLessThan(20);
    expect(lines.find(({ subject }) => subject === 'queues')?.message).toBe('3000 with 4498500 messages');
    expect(lines.some(({ subject }) => subject.includes('"q2999"'))).toBe(true);
  });
});
