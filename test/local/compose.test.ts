import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

// `docker compose config` is not to be had everywhere, so the file's shape is checked here.
const compose = parse(readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')) as Compose;
const services = Object.entries(compose.services);

test('the stores, an S3 server and Temporal are there, each at a version and with a health check', () => {
  expect(services.map(([name]) => name)).toEqual(['postgres', 'redis', 'rabbitmq', 's3', 'temporal']);
  for (const [, { image, healthcheck }] of services) {
    expect(image).toMatch(/:v?\d+\.\d+/);
    expect(healthcheck.test[0]).toMatch(/^CMD/);
  }
});

test('every port is published on loopback alone, and none on a default port', () => {
  for (const [, { ports }] of services)
    for (const port of ports) {
      const [, given, inside] = /^127\.0\.0\.1:\$\{[A-Z0-9_]+:-(\d+)\}:(\d+)$/.exec(port) ?? [];
      expect(given, port).toBeDefined();
      expect(given).not.toBe(inside);
    }
});

test('volumes and secrets that services name are declared, and secrets come from files', () => {
  for (const [, { volumes, secrets = [] }] of services) {
    for (const volume of volumes) expect(compose.volumes).toHaveProperty(volume.split(':')[0] ?? '');
    for (const secret of secrets) expect(compose.secrets[secret]?.file).toMatch(/\/[a-z0-9]+$/);
  }
  for (const [, { environment = {} }] of services)
    for (const name of Object.keys(environment)) expect(name).not.toMatch(/(PASSWORD|SECRET|KEY)$/);
});

test('Temporal there knows the same search attributes as Temporal here', () => {
  const registered = compose.services.temporal?.command?.filter((word) => word.startsWith('--search-attribute='));
  expect(registered).toEqual(Object.values(SEARCH_ATTRIBUTES).map(({ name }) => `--search-attribute=${name}=Keyword`));
});
