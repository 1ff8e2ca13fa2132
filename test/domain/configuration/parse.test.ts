import { describe, expect, it } from 'vitest';
import { configurationJsonSchema } from '../../../domain/configuration/json-schema.ts';
import { parseConfiguration } from '../../../domain/configuration/parse.ts';
import { problemLine } from '../../../domain/configuration/problem.ts';
import { kindsToTake, systemsOf, tierNames } from '../../../domain/configuration/protection.ts';
import { EXAMPLE, exampleWith } from './example.ts';

const linesOf = (text: string) => parseConfiguration(text).problems.map((problem) => problemLine('h.yaml', problem));

describe('parseConfiguration', () => {
  it('takes a right configuration and fills in the defaults', () => {
    const { configuration, problems } = parseConfiguration(EXAMPLE);
    expect(problems).toEqual([]);
    expect(configuration?.sites.west?.postgres?.port).toBe(5432);
    expect(configuration?.schedules.redis.every).toBe('900s');
  });

  it('tells everything that is wrong at once, with line, column, path, value, rule and example', () => {
    const text = exampleWith(
      ['platform: orders', 'platform: Orders!'],
      ['host: 127.0.0.1\n      password', 'host: ""\n      prot: 1\n      port: 99999\n      password'],
      ['witness: { directory: /var/lib/holdfast/witness }', 'witness: { directory: witness }'],
      ['kind: folder,', 'kind: foldr,'],
      ['      user: holdfast\n', ''],
      ['    config: {', '    confg: {'],
    );
    expect(linesOf(text)).toMatchInlineSnapshot(`
      [
        "h.yaml:1:11: error: platform: a name has 1 to 40 of a-z, 0-9 and -, and starts with a letter, not 'Orders!'; for example orders",
        "h.yaml:3:23: error: witness.directory: a path starts with /, not 'witness'; for example /var/lib/holdfast/witness",
        "h.yaml:8:13: error: sites.west.postgres.host: must not be empty, not ''; for example db.internal",
        "h.yaml:9:7: error: sites.west.postgres.prot: 'prot' is not a setting here: did you mean 'port'?",
        "h.yaml:10:13: error: sites.west.postgres.port: must be at most 65535, not '99999'; for example 5432",
        "h.yaml:13:5: error: sites.west.rabbitmq.user: is missing: must be a text; for example holdfast",
        "h.yaml:18:5: error: sites.west.confg: 'confg' is not a setting here: did you mean 'config'?",
        "h.yaml:25:20: error: repository.tiers.local.kind: must be one of 'folder', 's3', not 'foldr'",
      ]
    `);
  });

  it('tells the rules that are broken together with what the schema refuses', () => {
    const text = exampleWith(['activeSite: west', 'activeSite: wset\nbanana: 1']);
    expect(linesOf(text)).toMatchInlineSnapshot(`
      [
        "h.yaml:2:13: error: activeSite: no site is called 'wset': known: 'west'; for example west",
        "h.yaml:3:1: error: banana: 'banana' is not a setting here: known are 'platform', 'temporal', 'activeSite', 'witness', 'sites', 'repository', 'failover', 'objectives', 'schedules', 'status', 'notifications', 'contacts', 'costs', 'dns'",
      ]
    `);
  });

  it('never repeats a secret that stands where a reference belongs, or anywhere near a mistake', () => {
    const hunter = 'hunter2-canary';
    const texts = [
      exampleWith(['${file:/etc/holdfast/secrets/postgres}', hunter]),
      exampleWith(['password: ${file:/etc/holdfast/secrets/postgres}', `pasword: ${hunter}`]),
      exampleWith(['http://127.0.0.1:15672', `amqp//u:${hunter}@h`]),
      exampleWith(['password: ${file:/etc/holdfast/secrets/postgres}', `password: @${hunter}`]),
      exampleWith(['password: ${file:/etc/holdfast/secrets/postgres}', `password: "${hunter}`]),
      exampleWith(['password: ${file:/etc/holdfast/secrets/postgres}', `password: a: ${hunter}`]),
      exampleWith(['password: ${file:/etc/holdfast/secrets/postgres}', `password: [${hunter}]`]),
      exampleWith(['accessKeyId: "${env:ID}"', `accessKeyId: ${hunter}`]),
    ];
    for (const text of texts) {
      const lines = linesOf(text);
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.join('\n')).not.toContain('hunter2');
    }
  });

  it.each([
    [
      'a name given twice',
      ['activeSite: west', 'activeSite: west\nplatform: two'],
      'h.yaml:3:1: error: this name is given twice',
    ],
    ['a tab', ['sites:\n', 'sites:\n\t'], 'h.yaml:5:1: error: indent with spaces, not tabs'],
    ['an alias', ['host: 127.0.0.1', 'host: *here'], 'aliases are not used here: write the value out'],
    ['a hidden name', ['sites:\n', 'sites:\n  __proto__: {}\n'], 'h.yaml:5:3: error: this name cannot be used'],
    ['a second document', ['activeSite: west', 'activeSite: west\n---\n'], 'the file holds more than one document'],
  ] as const)('refuses %s', (_, change, line) => {
    expect(parseConfiguration(exampleWith([...change])).configuration).toBeNull();
    expect(linesOf(exampleWith([...change])).join('\n')).toContain(line);
  });

  it.each(['', '[]', 'text', 'null', '5', '{', '%', '\0', '- a\nb: 1', 'a: &a [*a, *a]'])(
    'refuses %j without throwing',
    (text) => {
      expect(parseConfiguration(text).configuration).toBeNull();
      expect(linesOf(text).length).toBeGreaterThan(0);
    },
  );
});

describe('protection', () => {
  it('takes definitions of a broker whose files cannot be read', () => {
    const full = parseConfiguration(EXAMPLE).configuration;
    const managed = parseConfiguration(
      exampleWith(['      dataDirectory: /var/lib/rabbitmq/mnesia/rabbit@west\n', '']),
    ).configuration;
    if (!full || !managed) throw new Error('the example is wrong');
    expect(systemsOf(full, 'west')).toEqual(['postgres', 'redis', 'rabbitmq', 'config', 'tls']);
    expect(systemsOf(full, 'nowhere')).toEqual([]);
    expect(tierNames(full)).toEqual(['local', 's3']);
    expect(kindsToTake(full, 'west', 'rabbitmq')).toEqual(['messages']);
    expect(kindsToTake(managed, 'west', 'rabbitmq')).toEqual(['definitions']);
    expect(kindsToTake(full, 'west', 'tls')).toEqual(['files']);
  });
});

describe('configurationJsonSchema', () => {
  it('asks only for what has no default', () => {
    const schema = configurationJsonSchema() as { required: string[]; additionalProperties: boolean };
    expect(schema.required).toEqual(['platform', 'activeSite', 'witness', 'sites', 'repository']);
    expect(schema.additionalProperties).toBe(false);
  });
});
