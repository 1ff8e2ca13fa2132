// The second switch: a command of the user's makes a site's health check fail or pass, without Route 53's change API.
import type { SiteDnsConfiguration } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { withFurtherSignal } from '../shared/activity-context.ts';
import { runTool } from '../shared/run-tool.ts';

const LIMIT_MS = 30_000;

/** Runs one of the two commands of a site, with a limit. @throws {Failure} DNS_UNFIT when the site has none, TOOL_FAILED. */
export async function runSwitch(
  dns: SiteDnsConfiguration | undefined,
  site: string,
  which: 'withdraw' | 'offer',
): Promise<void> {
  const [command, ...args] = dns?.healthCheck?.[which] ?? [];
  if (command === undefined) throw new Failure('DNS_UNFIT', `site '${site}' has no dns.healthCheck.${which}`);
  const limit = AbortSignal.timeout(LIMIT_MS);
  await withFurtherSignal(limit, () => runTool({ command, args })).catch((error) => {
    if (!limit.aborted) throw error;
    throw new Failure('TOOL_FAILED', `'${command}' did not end within ${LIMIT_MS / 1000} s`, {}, error);
  });
}
