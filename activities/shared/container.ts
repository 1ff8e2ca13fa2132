// How a program is started inside a container: by the engine's own command (docker exec and its kin), as arguments that
// no shell reads. The shell scripts here are constants; what they work on reaches them as arguments.
import { randomBytes } from 'node:crypto';
import { Failure } from '../../domain/failures.ts';

/** A container, and how a program is run inside it with its standard streams. */
export interface ContainerAccess {
  /** For example `["docker", "exec", "-i", "NAME"]`. */
  readonly exec: readonly string[];
}

/** What is run inside. */
export interface InsideSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const MARK = 'HOLDFAST_TOOL';

/** A word that marks the processes of one tool, because the engine's client does not tell their numbers. */
export const newMark = (): string => randomBytes(8).toString('hex');

/** Arguments that run `spec` inside. The environment becomes arguments of `env`, so it must hold no secrets. */
export function insideContainer({ exec }: ContainerAccess, mark: string, spec: InsideSpec): string[] {
  const own = { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...spec.env, [MARK]: mark };
  const variables = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  return [...exec, 'env', ...variables, spec.command, ...spec.args];
}

// An environment can be read by whoever may end the process. The script's own has another mark.
const END = `for process in /proc/[0-9]*; do
  if tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -qx "$1"; then kill -TERM "\${process#/proc/}" 2>/dev/null; fi
done; true`;

/** Arguments that end what carries the mark. */
export function endInside({ exec }: ContainerAccess, mark: string): string[] {
  return [...exec, 'sh', '-c', END, 'sh', `${MARK}=${mark}`];
}

/** Variables that tell an engine's client where its engine is. None of them is a secret. */
export function engineEnvironment(): Record<string, string> {
  const names = ['HOME', 'XDG_RUNTIME_DIR', 'DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'CONTAINER_HOST'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

const NOT_RUNNING =
  /is not running|running containers|no such container|is (?:paused|restarting)|container state improper/i;

/** What an engine's failure means, or null when the program inside ran and failed by itself. */
export function failureOfEngine(
  { exec }: ContainerAccess,
  { command }: InsideSpec,
  { code, words }: { readonly code: number | null; readonly words: string },
): Failure | null {
  const through = exec.join(' ');
  if (code !== 0 && NOT_RUNNING.test(words))
    return new Failure('STORE_UNREACHABLE', `the container cannot be entered with '${through}': ${words.trim()}`);
  if (code === 127 || (code === 126 && /not found|no such file/i.test(words)))
    return new Failure('TOOL_MISSING', `'${command}' is not inside the container ('${through}')`, {
      install: `${command} in the container's image, or the right binDirectory of the container`,
    });
  return null;
}
