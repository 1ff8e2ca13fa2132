// Which Terraform is used: the configured one, or the first on PATH that is new enough. OpenTofu is one.
import { Failure } from '../../domain/failures.ts';
import { runTool } from '../shared/run-tool.ts';

export interface TerraformProgram {
  readonly command: string;
  readonly version: string;
}

/** From this one on the state's lock can be an object of the bucket itself. */
const NEED = [1, 11] as const;
const INSTALL = 'Terraform or OpenTofu 1.11 or newer';

/** @throws {Failure} TOOL_MISSING, VERSION_UNFIT. */
export async function findTerraform(configured: string | undefined): Promise<TerraformProgram> {
  const found: TerraformProgram[] = [];
  for (const command of configured === undefined ? ['terraform', 'tofu'] : [configured]) {
    const version = await versionOf(command);
    if (version === null) continue;
    if (isNewEnough(version)) return { command, version };
    found.push({ command, version });
  }
  const [old] = found;
  if (old === undefined)
    throw new Failure('TOOL_MISSING', `'${configured ?? 'terraform'}' is not on this machine`, { install: INSTALL });
  throw new Failure('VERSION_UNFIT', `'${old.command}' is version ${old.version}`, { need: INSTALL });
}

async function versionOf(command: string): Promise<string | null> {
  try {
    const text = await runTool({ command, args: ['version', '-json'], env: { CHECKPOINT_DISABLE: '1' } });
    return String((JSON.parse(text) as { readonly terraform_version?: string }).terraform_version);
  } catch (error) {
    if (error instanceof Failure && error.code === 'TOOL_MISSING') return null;
    throw error;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEED[0] || (major === NEED[0] && minor >= NEED[1]);
}
