// The cipher library's streams, made safe to abandon. Destroying one of them half-way throws "Premature close" from a
// pipeline inside the library that nobody can catch, and ends the worker. So they are never destroyed: an abandoned one
// is ended and drained, and what it says afterwards is ignored.
import { Duplex } from 'node:stream';

const BUFFER_BYTES = 1024 * 1024;

/** A Node stream around one of the library's. Backpressure and errors pass; destroying it leaves the inner one to end. */
export function contained(inner: Duplex): Duplex {
  const outer: Duplex = new Duplex({
    readableHighWaterMark: BUFFER_BYTES,
    writableHighWaterMark: BUFFER_BYTES,
    read: () => void inner.resume(),
    write: (chunk, _encoding, done) => {
      if (inner.write(chunk)) done();
      else inner.once('drain', done);
    },
    final: (done) => {
      inner.end();
      done();
    },
    destroy: (error, done) => {
      inner.end();
      inner.resume();
      done(error);
    },
  });
  inner.on('data', (chunk) => {
    if (!outer.destroyed && !outer.push(chunk)) inner.pause();
  });
  inner.on('end', () => {
    if (!outer.destroyed) outer.push(null);
  });
  // The listener stays: an error without one would end the process.
  inner.on('error', (error) => void outer.destroy(error));
  return outer;
}
