// A small disk of its own with ext4, in a file: it can lose power, fail, or become read-only, for real.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { vi } from 'vitest';

export interface LoopDisk {
  /** Ends the file system at once: nothing that was not flushed is written any more, and every call fails with EIO. */
  cutPower(): void;
  /** Mounts it again, which replays its journal as after a power cut. */
  powerOn(): Promise<void>;
  makeReadOnly(): void;
  makeWritable(): void;
  /** Unmounts and removes it. */
  remove(): void;
}

// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h); Node has no ioctl.
const SHUT_DOWN = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))`;

const run = (command: string, ...args: string[]) => void execFileSync(command, args, { stdio: 'pipe' });

/** Mounts a new disk of `size` (as truncate takes it) over the folder `path`, which is made. */
export function mountLoopDisk(path: string, size: string): LoopDisk {
  const image = `${path}.disk`;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  run('truncate', `--size=${size}`, image);
  run('mkfs.ext4', '-q', '-F', '-m', '0', image);
  const mount = () => run('mount', '-o', 'loop', image, path);
  mount();
  return {
    cutPower: () => run('python3', '-c', SHUT_DOWN, path),
    powerOn: async () => {
      // A file that was open when the power failed is closed a moment later.
      await vi.waitFor(() => run('umount', path), { timeout: 20_000, interval: 50 });
      mount();
    },
    makeReadOnly: () => run('mount', '-o', 'remount,ro', path),
    makeWritable: () => run('mount', '-o', 'remount,rw', path),
    remove: () => {
      run('umount', '--lazy', path);
      rmSync(image);
    },
  };
}
