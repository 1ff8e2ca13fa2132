// What runs on the platform's stores, asked by the checks of the configuration: over HTTP, or by a program.
import type { ApplicationConfiguration } from '../../domain/configuration/schema.ts';
import type { ApplicationStatus } from '../../domain/contracts/status.ts';
import { Failure } from '../../domain/failures.ts';
import { currentSignal } from '../shared/activity-context.ts';
import { runTool } from '../shared/run-tool.ts';

type HttpCheck = Extract<ApplicationConfiguration, { check: 'http' }>;
type CommandCheck = Extract<ApplicationConfiguration, { check: 'command' }>;

/**
 * Does: one GET, or one run of a program, which ends with the surrounding look.
 * Repeat: asks again. Undo: none: a check changes nothing, or is no check.
 * @throws {Failure} STORE_UNREACHABLE, COULD_NOT_VERIFY when it was not asked, TOOL_MISSING.
 */
export async function askApplication(application: ApplicationConfiguration): Promise<ApplicationStatus> {
  return application.check === 'http' ? askByHttp(application) : askByProgram(application);
}

async function askByHttp({ url, status: wanted }: HttpCheck): Promise<ApplicationStatus> {
  const response = await fetch(url, { redirect: 'manual', signal: currentSignal() ?? null }).catch((cause) => {
    const { origin, pathname } = new URL(url); // What follows it may hold a secret.
    const place = `'${origin}${pathname}'`;
    const { code, message } = (cause.cause ?? cause) as NodeJS.ErrnoException;
    // Without an error of the network there was no question: fetch refuses some ports by itself.
    if (code === undefined) throw new Failure('COULD_NOT_VERIFY', `${place} was not asked: ${message}`, {}, cause);
    throw new Failure('STORE_UNREACHABLE', `${place} does not answer: ${code}`, {}, cause);
  });
  await response.body?.cancel();
  const well = wanted.includes(response.status);
  return { well, message: `status ${response.status}${well ? '' : `, wanted ${wanted.join(' or ')}`}` };
}

// What a program prints is its own: it may quote a secret, so only its status is told.
async function askByProgram({ command: [command = '', ...args] }: CommandCheck): Promise<ApplicationStatus> {
  try {
    await runTool({ command, args, killAfterMs: 500 });
    return { well: true, message: 'status 0' };
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'TOOL_FAILED')) throw error;
    const { status } = error.details;
    return { well: false, message: status === null ? 'was ended by a signal' : `status ${status}` };
  }
}
