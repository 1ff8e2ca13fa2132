import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partBytesFor, partsAhead } from '../../../activities/repository/s3-upload.ts';

const MIB = 1024 ** 2;
const MOST = 5 * 1024 ** 4;
// What S3 takes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const [LEAST_PART, MOST_PART, MOST_PARTS] = [5 * MIB, 5 * 1024 * MIB, 10_000];
const configured = fc.integer({ min: LEAST_PART, max: 1024 * MIB });

describe('faults 67: the parts of an upload', () => {
  it('are never more than 10,000 and never larger or smaller than S3 takes, up to 5 TiB', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MOST }), configured, (bytes, partBytes) => {
        const size = partBytesFor(bytes, partBytes);
        expect(Math.ceil(bytes / size)).toBeLessThanOrEqual(MOST_PARTS);
        expect(size).toBeGreaterThanOrEqual(partBytes);
        expect(size).toBeLessThanOrEqual(MOST_PART);
      }),
      {
        examples: [
          [0, LEAST_PART],
          [1, LEAST_PART],
          [LEAST_PART * MOST_PARTS + 1, LEAST_PART],
          [MOST, LEAST_PART],
        ],
      },
    );
  });

  it('of more than one object can hold are refused by name before anything is sent', () => {
    expect(() => partBytesFor(MOST + 1, 16 * MIB)).toThrow(expect.objectContaining({ code: 'STORE_UNFIT' }));
  });

  it('wait in memory for at most 64 MiB, or one by one when each is larger', () => {
    fc.assert(
      fc.property(configured, (size) => {
        const waiting = (partsAhead(size) + 1) * size;
        expect(waiting).toBeLessThanOrEqual(Math.max(64 * MIB, size));
      }),
    );
    expect(partsAhead(16 * MIB)).toBe(3);
  });
});
