// Whether a failover could let Terraform prepare a site now: program, providers, state, lock, and what it would change.
import { createTerraform } from '../activities/terraform/index.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';

type Attempt = (subject: string, check: () => Promise<readonly Finding[]>) => Promise<readonly Finding[]>;

/** A section for each site that Terraform makes. */
export function checkTerraform({ sites, witness }: Configuration, attempt: Attempt) {
  const terraform = createTerraform({ sites, witness });
  const names = Object.keys(sites).filter((name) => sites[name]?.terraform !== undefined);
  return Promise.all(
    names.map(async (site) => ({
      title: `Terraform of '${site}'`,
      findings: await attempt('Terraform', () => terraform.look({ site, run: `doctor ${process.pid}` })),
    })),
  );
}
