// The cipher and the hash of the product and nothing else, between two pipes: AES-256-GCM in frames of 1 MiB, and the
// SHA-256 of what comes out.
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';

const FRAME_BYTES = 1024 * 1024;
const key = randomBytes(32);
const hash = createHash('sha256');
let waiting: Buffer[] = [];
let bytes = 0;

for await (const chunk of process.stdin) {
  waiting.push(chunk);
  bytes += chunk.length;
  if (bytes >= FRAME_BYTES) await seal();
}
if (bytes > 0) await seal();
process.stderr.write(`${hash.digest('hex')}\n`);

async function seal(): Promise<void> {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const frame = [nonce, ...waiting.map((chunk) => cipher.update(chunk)), cipher.final(), cipher.getAuthTag()];
  for (const part of frame) hash.update(part);
  waiting = [];
  bytes = 0;
  if (!process.stdout.write(Buffer.concat(frame))) await once(process.stdout, 'drain');
}
