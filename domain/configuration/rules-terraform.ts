// Rules about Terraform's state.
import type { RuleFinding } from './problem.ts';
import { isOpenToTheNetwork, missingHalf, repeated } from './rule-facts.ts';
import type { Configuration, TerraformConfiguration } from './schema.ts';

type Backend = TerraformConfiguration['backend'];

const backendsOf = ({ sites }: Configuration) =>
  Object.entries(sites).flatMap(([site, { terraform }]) =>
    terraform ? [{ path: ['sites', site, 'terraform', 'backend'], backend: terraform.backend }] : [],
  );

export function terraformAccountIsComplete(configuration: Configuration): RuleFinding[] {
  return backendsOf(configuration).flatMap(({ path, backend }): RuleFinding[] => {
    const missing = backend.kind === 's3' ? missingHalf(backend) : null;
    return missing === null ? [] : [{ level: 'error', path, message: `${missing} is missing: give both or neither` }];
  });
}

export function terraformStateIsEncrypted(configuration: Configuration): RuleFinding[] {
  return backendsOf(configuration).flatMap(({ path, backend }): RuleFinding[] => {
    if (backend.kind !== 's3' || !isOpenToTheNetwork(backend.endpoint)) return [];
    const message = 'the state, which may hold secrets, crosses the network unencrypted: use https';
    return [{ level: 'warning', path: [...path, 'endpoint'], message }];
  });
}

export function everySiteHasItsOwnState(configuration: Configuration): RuleFinding[] {
  const all = backendsOf(configuration);
  return repeated(all.map(({ backend }) => placeOf(backend))).map((index) => ({
    level: 'error',
    path: all[index]?.path ?? [],
    message: 'the state of another site: each would take away what the other has made',
  }));
}

const placeOf = (backend: Backend): string =>
  backend.kind === 'local' ? backend.path : JSON.stringify([backend.endpoint, backend.bucket, backend.key]);
