// The processes of this machine, by their ids: who descends from whom, and who works in a folder.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface MachineProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly cwd: string;
}

/** Every process that runs now and may be looked at. */
export function processes(): readonly MachineProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid: Number(name), parent, command, cwd: readlinkSync(`/proc/${name}/cwd`) }];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

/** Processes that descend from `pid`, the youngest last. */
export function descendantsOf(pid: number): number[] {
  const all = processes();
  const family = new Set([pid]);
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const { pid: one, parent } of all) if (family.has(parent)) family.add(one);
  }
  family.delete(pid);
  return [...family].sort((a, b) => a - b);
}

/** Kills with SIGKILL these processes, those that work in `folder`, and all that descend from them. @returns their ids. */
export function killAll(pids: readonly number[], folder: string): readonly number[] {
  const within = processes().filter(
    ({ command, cwd }) => command.includes(`${folder}/`) || `${cwd}/`.startsWith(`${folder}/`),
  );
  const first = [...pids, ...within.map(({ pid }) => pid)].filter((pid) => pid !== process.pid);
  const family = [...new Set([...first, ...first.flatMap(descendantsOf)])];
  return family.filter((pid) => {
    try {
      return process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  });
}
