// First process of an isolated broker: it runs inside fresh network, mount and process namespaces, gives the node its
// folders, and carries bytes between unix sockets outside and the node's ports inside. When it ends, everything in the
// namespaces ends. Its only argument is a JSON file written by isolated-node.ts.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';

const spec = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// Opened before the mounts, which may hide it; and by descriptor, because a socket's path has 108 bytes at most.
const socketFolder = openSync(spec.socketFolder, 'r');
const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });

run('ip', 'link', 'set', 'lo', 'up');
// A folder that exists only inside the node's container gets its place here, in this namespace alone: the first folder
// above it that is there is covered by one in memory, in which all that it holds is mounted again.
function makePlace(path) {
  if (existsSync(path)) return;
  let above = dirname(path);
  while (!existsSync(above)) above = dirname(above);
  if (above === '/')
    throw new Error(`there is no place for '${path}': make an empty folder '/${path.split('/')[1]}' here`);
  run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', spec.cover);
  for (const entry of readdirSync(above, { withFileTypes: true })) mountAgain(entry, above, spec.cover);
  run('mount', '--rbind', '--', spec.cover, above);
  mkdirSync(path, { recursive: true, mode: 0o755 });
}

function mountAgain(entry, from, to) {
  const [old, place] = [join(from, entry.name), join(to, entry.name)];
  if (entry.isSymbolicLink()) return symlinkSync(readlinkSync(old), place);
  if (entry.isDirectory()) mkdirSync(place);
  else writeFileSync(place, '');
  run('mount', '--rbind', '--', old, place);
}

for (const { from, to } of spec.mounts) {
  makePlace(to);
  run('mount', '--bind', '--', from, to);
}

for (const { name, port } of spec.sockets) {
  const server = createServer((outside) => {
    const inside = connect(port, '127.0.0.1');
    outside.pipe(inside).pipe(outside);
    outside.on('error', () => inside.destroy());
    inside.on('error', () => outside.destroy());
  });
  server.listen(`/proc/self/fd/${socketFolder}/${name}`);
}

const [command, ...args] = spec.command;
const broker = spawn(command, args, { cwd: '/', env: spec.environment, stdio: ['ignore', 'inherit', 'inherit'] });
broker.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
broker.on('exit', (code) => process.exit(code === 0 ? 1 : (code ?? 1)));
process.on('SIGTERM', () => process.exit(0));
