import { describe, expect, it } from 'vitest';
import {
  adaptDefinitions,
  diffDefinitions,
  isOlderMajor,
  restorePasses,
  withoutOwn,
} from '../../../domain/systems/rabbitmq-definitions.ts';

const queue = (name: string, args: Record<string, string | number> = {}) => ({
  ...{ name, vhost: '/', durable: true, auto_delete: false, arguments: args },
});

describe('definitions of RabbitMQ', () => {
  it('are equal whether a classic queue names its type and tags are a text or a list', () => {
    const one = { queues: [queue('a')], users: [{ name: 'u', tags: 'b,a' }] };
    const other = { queues: [queue('a', { 'x-queue-type': 'classic' })], users: [{ name: 'u', tags: ['a', 'b'] }] };
    expect(diffDefinitions(one, other)).toEqual({ missing: {}, different: [], extra: [] });
  });

  it('are equal when an import has only spoiled a tag beyond ASCII, as brokers do', () => {
    const tagged = (tag: string) => ({ users: [{ name: 'u', tags: [tag] }] });
    expect(diffDefinitions(tagged('\u00fcn'), tagged('\u00c3\u00bcn')).different).toEqual([]);
    expect(diffDefinitions(tagged('\u00c3\u00bcn'), tagged('\u00c3\u0083\u00c2\u00bcn')).different).toEqual([]);
    expect(diffDefinitions(tagged('\u00fcn'), tagged('\u00fan')).different).toHaveLength(1);
  });

  it('differ when a queue has another argument, which an import would pass over in silence', () => {
    const { missing, different } = diffDefinitions(
      { queues: [queue('a', { 'x-delivery-limit': 9 }), queue('b')] },
      { queues: [queue('a', { 'x-delivery-limit': 5 }), queue('c')] },
    );
    expect(different).toEqual([{ section: 'queues', key: '["/","a"]' }]);
    expect(missing).toEqual({ queues: [queue('b')] });
  });

  it('lose what is our own and the identity of the cluster', () => {
    const kept = withoutOwn({
      users: [{ name: 'holdfast-isolated-0123456789ab' }, { name: 'holdfast-admin' }],
      global_parameters: [{ name: 'internal_cluster_id' }, { name: 'holdfast-restore-journal' }, { name: 'theirs' }],
    });
    expect(kept).toMatchObject({ users: [{ name: 'holdfast-admin' }], global_parameters: [{ name: 'theirs' }] });
  });

  it('lose mirroring for version 4, and the note says so', () => {
    const policies = [
      { name: 'ha', vhost: '/', definition: { 'ha-mode': 'all' } },
      { name: 'mixed', vhost: '/', definition: { 'ha-mode': 'all', 'max-length': 5 } },
    ];
    const { definitions, notes } = adaptDefinitions({ policies }, '4.0.5');
    expect(definitions.policies).toEqual([{ name: 'mixed', vhost: '/', definition: { 'max-length': 5 } }]);
    expect(notes).toHaveLength(2);
    expect(adaptDefinitions({ policies }, '3.13.0').notes).toEqual([]);
  });

  it('lose transient queues and their bindings on the way from 3 to 4, and the note names them; not from 4 to 4', () => {
    const queues = [queue('kept'), { ...queue('gone'), durable: false }];
    const bindings = ['kept', 'gone'].map((destination) => ({
      ...{ vhost: '/', source: 'e', destination, destination_type: 'queue', routing_key: '', arguments: {} },
    }));
    const { definitions, notes } = adaptDefinitions({ rabbit_version: '3.10.8', queues, bindings }, '4.0.5');
    expect(definitions).toMatchObject({ queues: [queues[0]], bindings: [bindings[0]] });
    expect(notes).toEqual(['1 transient queues are left out: version 4.0.5 gives them up: ["/","gone"]']);
    expect(adaptDefinitions({ rabbit_version: '4.0.5', queues, bindings }, '4.0.5').notes).toEqual([]);
  });

  it('of a newer major version are told from those of a newer minor one', () => {
    expect(isOlderMajor('4.0.5', '3.10.8')).toBe(true);
    expect(isOlderMajor('3.13.0', '3.10.8')).toBe(false);
    expect(isOlderMajor('3.10.8', '4.0.5')).toBe(false);
  });

  it('go in with limits after the messages and shovels last', () => {
    const parameters = [
      { component: 'shovel', name: 's', vhost: '/' },
      { component: 'operator_policy', name: 'o', vhost: '/' },
    ];
    const passes = restorePasses({ parameters, policies: [{ name: 'p', vhost: '/' }] });
    expect(passes.policies).toEqual({ policies: [{ name: 'p', vhost: '/' }], parameters: [parameters[1]] });
    expect(passes.links).toEqual({ parameters: [parameters[0]] });
  });
});
