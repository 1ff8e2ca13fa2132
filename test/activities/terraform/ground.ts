// A Terraform configuration whose resources leave a trace outside: each that is made writes its name into a file. One that
// is slow waits until it is let go, one that is bad fails until it is mended.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTerraform } from '../../../activities/terraform/index.ts';
import { configurationSchema, type TerraformConfiguration } from '../../../domain/configuration/schema.ts';
import type { TerraformActivities } from '../../../domain/contracts/terraform.ts';
import { findTerraform } from '../../../local/programs.ts';
import { type LocalS3, startS3 } from '../../../local/s3.ts';

const MAIN = (backend: 's3' | 'local') => `
terraform {
  required_version = ">= 1.11"
  backend "${backend}" {}
}
variable "folder" { type = string }
variable "servers" { type = map(string) }
variable "disk" {
  type    = string
  default = "one"
}
variable "password" {
  type      = string
  default   = ""
  sensitive = true
}
resource "terraform_data" "server" {
  for_each         = var.servers
  input            = each.value
  triggers_replace = [var.disk]
  provisioner "local-exec" {
    command     = <<-EOT
      printf '%s\\n' "$NAME" >> "$FOLDER/begun"
      until test "$KIND" != slow || test -e "$FOLDER/go"; do sleep 0.05; done
      test "$KIND" != bad || test -e "$FOLDER/mended" || { echo "the password is $PASSWORD"; exit 1; }
      printf '%s\\n' "$NAME" >> "$FOLDER/made"
    EOT
    environment = { NAME = each.key, KIND = each.value, FOLDER = var.folder, PASSWORD = nonsensitive(var.password) }
  }
}
output "servers" { value = keys(var.servers) }
output "password" {
  value     = var.password
  sensitive = true
}
`;

export interface Ground {
  readonly folder: string;
  readonly s3: LocalS3;
  /** Activities over these settings; the state is the same whatever they are. */
  terraform(settings: Partial<TerraformConfiguration>): TerraformActivities;
  /** The names that were written, in order. */
  made(): readonly string[];
  begun(): readonly string[];
  /** Lets go what is slow, mends what is bad. */
  allow(what: 'go' | 'mended'): Promise<void>;
  /** Files that are left of the runs. */
  leftFiles(): readonly string[];
  remove(): Promise<void>;
}

export const SECRET = 'a-password-nobody-may-read';

let number = 0;

/** A new configuration with a state of its own in the bucket of `s3`. */
export async function newGround(s3: LocalS3, backend: 's3' | 'local' = 's3'): Promise<Ground> {
  number += 1;
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-terraform-'));
  const below = (name: string) => join(folder, name);
  await Promise.all(['configuration', 'witness'].map((name) => mkdir(below(name), { mode: 0o700 })));
  await writeFile(below('configuration/main.tf'), MAIN(backend));
  await writeFile(below('secret'), SECRET, { mode: 0o600 });
  await writeFile(below('access'), s3.accessKeyId, { mode: 0o600 });
  await writeFile(below('key'), s3.secretAccessKey, { mode: 0o600 });
  const reference = (name: string) => `\${file:${below(name)}}`;
  const state = {
    s3: {
      ...{ kind: 's3', bucket: 'terraform', key: `${number}/east.tfstate`, endpoint: s3.endpoint },
      ...{ accessKeyId: reference('access'), secretAccessKey: reference('key') },
    },
    local: { kind: 'local', path: below('witness/east.tfstate') },
  };
  const sites = (settings: Partial<TerraformConfiguration>) => {
    const { variables, ...rest } = settings;
    const site = {
      workDirectory: folder,
      terraform: {
        ...{ directory: below('configuration'), backend: state[backend], program: findTerraform() },
        ...rest,
        variables: { folder, password: reference('secret'), ...variables },
      },
    };
    return configurationSchema.shape.sites.parse({ east: site });
  };
  const lines = (name: string) =>
    existsSync(below(name)) ? readFileSync(below(name), 'utf8').trimEnd().split('\n') : [];
  return {
    folder,
    s3,
    terraform: (settings) => createTerraform({ sites: sites(settings), witness: { directory: below('witness') } }),
    made: () => lines('made'),
    begun: () => lines('begun'),
    allow: (what) => writeFile(below(what), ''),
    leftFiles: () => filesBelow(below('witness')),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** A real S3 server with the unversioned bucket that states and locks lie in. */
export async function startStateStore(directory: string): Promise<LocalS3> {
  const s3 = await startS3({ directory });
  await s3.createBucket('terraform');
  return s3;
}

/** The process ids of the Terraform that applies the configuration in `folder`. */
export function applying(folder: string): number[] {
  const words = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return []; // It has ended meanwhile.
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const all = words(pid);
      return all.includes('apply') && all.includes(`-chdir=${join(folder, 'configuration')}`);
    })
    .map(Number);
}
