// How things end in the protocol's own words: the SDK makes of them the errors that a workflow catches.
import {
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  type Payload,
  type ProtoFailure,
} from '@temporalio/common';

export type Ending =
  | { readonly completed: { readonly result: Payload } }
  | { readonly failed: { readonly failure: ProtoFailure } }
  | { readonly cancelled: { readonly failure: ProtoFailure } };

export const completedWith = (result: unknown): Ending => ({
  completed: { result: defaultPayloadConverter.toPayload(result) as Payload },
});

export const failureOf = (error: unknown): ProtoFailure =>
  defaultFailureConverter.errorToFailure(error, defaultPayloadConverter);

export const errorOf = (failure: ProtoFailure): Error =>
  defaultFailureConverter.failureToError(failure, defaultPayloadConverter);

/** The end of an activity or a child by an error, as its workflow is told: `wrapping` says of what. */
export function failedWith(cause: ProtoFailure, message: string, wrapping: Partial<ProtoFailure>): Ending {
  const failure = { message, cause, ...wrapping } as ProtoFailure;
  return cause.canceledFailureInfo ? { cancelled: { failure } } : { failed: { failure } };
}

export const CANCELLED: ProtoFailure = failureOf(new CancelledFailure('it was cancelled'));
