// A state that could not be sent to its backend: Terraform leaves it in the configuration's folder. Nothing is planned or
// applied over it before it has been sent, or what it says was made would be made a second time.
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TerraformConfiguration } from '../../domain/configuration/schema.ts';
import { unless } from '../shared/durable-files.ts';
import type { TerraformCall } from './call.ts';

/** Sends it when there is one. Terraform refuses one that is older than what is there. */
export async function sendKeptState(call: TerraformCall, { directory }: TerraformConfiguration): Promise<void> {
  const file = join(directory, 'errored.tfstate');
  const isThere = await unless(['ENOENT'], async () => {
    await access(file);
    return true;
  });
  if (!isThere) return;
  await call.run(['state', 'push', '-no-color', file]);
  await rm(file);
}
