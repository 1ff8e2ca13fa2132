// A small disk of its own with ext4, in a file: it can lose power, fail, or become read-only, for real.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';

export interface LoopDisk {
  /** Ends the file system at once: nothing that was not flushed is written any more, and every call fails with EIO. */
  cutPower(): void;
  /** Mounts what had reached the disk, which replays its journal as after a power cut. */
  powerOn(): void;
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
  let image = `${path}.disk`;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  run('truncate', `--size=${size}`, image);
  run('mkfs.ext4', '-q', '-F', '-m', '0', image);
  const mount = () => run('mount', '-o', 'loop', image, path);
  mount();
  return {
    cutPower: () => run('python3', '-c', SHUT_DOWN, path),
    // As a copy: the ended file system lives on while a file of it is open or a mount namespace made meanwhile (the
    // isolated broker of another test) holds it, and the same image would mount as that one.
    powerOn: () => {
      run('umount', '--lazy', path);
      const ended = image;
      image += '+';
      run('cp', '--sparse=always', ended, image);
      rmSync(ended);
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
