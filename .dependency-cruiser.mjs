// The architecture, executable. Every rule says what it means and the ways out.
const NODE_MODULES = '^node_modules';

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    rule(
      'domain-is-pure',
      'domain/ holds decisions, testable without a server: no input or output and no vendor. Move the effect into activities/, or pass the fact in.',
      { path: '^domain/' },
      { pathNot: ['^domain/', `${NODE_MODULES}/(zod|yaml)/`] },
    ),
    rule(
      'domain-vendors-only-in-configuration',
      'Only domain/configuration/ may use the schema and YAML libraries: everything else is reachable from workflows.',
      { path: '^domain/', pathNot: '^domain/configuration/' },
      { path: NODE_MODULES },
    ),
    rule(
      'workflows-are-deterministic',
      'A workflow is replayed: it may use domain/ and the Temporal workflow library only. Do the effect in an activity.',
      { path: '^workflows/' },
      { pathNot: ['^workflows/', '^domain/', `${NODE_MODULES}/@temporalio/(workflow|common)/`] },
    ),
    rule(
      'workflows-do-not-parse-configuration',
      'The configuration schema (zod) costs memory in every cached run. Pass what is needed as input.',
      { path: '^workflows/' },
      { path: '^domain/configuration/' },
    ),
    rule(
      'systems-are-strangers',
      'A system knows itself and activities/shared only. What two need belongs into a contract in domain/ or into shared/.',
      { path: '^activities/([^/]+)/', pathNot: '^activities/(shared|config|tls)/' },
      { path: '^activities/', pathNot: ['^activities/$1/', '^activities/shared/'] },
    ),
    rule(
      'systems-of-files-share-files',
      'Configuration and certificates are both files: they share activities/files/, and know nothing of each other.',
      { path: '^activities/(config|tls)/' },
      { path: '^activities/', pathNot: ['^activities/$1/', '^activities/shared/', '^activities/files/'] },
    ),
    rule(
      'shared-knows-no-vendor',
      'activities/shared/ is for all systems: a vendor library there ties them together. Move it into the folder of its role.',
      { path: '^activities/shared/' },
      { path: NODE_MODULES, pathNot: `${NODE_MODULES}/@temporalio/activity/` },
    ),
    ...[
      ['pg', '(pg|pg-protocol)', 'postgres'],
      ['redis', 'ioredis', 'redis'],
      ['rabbitmq', 'amqplib', 'rabbitmq'],
      ['s3', '@aws-sdk/client-s3', 'repository'],
      ['route53', '@aws-sdk/client-route-53', 'dns'],
      ['dns', 'dns-packet', 'dns'],
      ['encryption', '@aws-crypto/client-node', 'repository'],
    ].map(([name, vendor, room]) =>
      rule(
        `vendor-at-the-edge-${name}`,
        `${vendor} is used in activities/${room}/ alone (and by local/ and test/, which drive the store as its users do).`,
        { path: '^(domain|workflows|activities|workers|client)/', pathNot: `^activities/${room}/` },
        { path: `${NODE_MODULES}/(@types/)?${vendor}/` },
      ),
    ),
    rule(
      'only-workers-wire',
      'Activities are reached through Temporal. Only the composition root and tests build them.',
      { path: '^(client|workflows|domain)/' },
      { path: '^(activities|workers)/' },
    ),
    rule(
      'client-only-asks',
      'The command starts and asks workflows; it does not contain them. Import types, or workflows/messages.ts.',
      { path: '^client/' },
      { path: '^workflows/', pathNot: '^workflows/messages\\.ts$', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'no-test-in-production',
      'Production code that needs test/, bench/ or local/ could not be shipped.',
      { path: '^(domain|workflows|activities|workers|client)/' },
      { path: '^(test|bench|local)/' },
    ),
    rule(
      'no-cycles',
      'Two files that need each other are one thought: merge them, or move what both need.',
      {},
      { circular: true },
    ),
  ],
  options: {
    doNotFollow: { path: NODE_MODULES },
    exclude: { path: '^(node_modules/\\.|test-results)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
