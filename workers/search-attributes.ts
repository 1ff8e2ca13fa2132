// Our search attributes must be known to the namespace before a run that carries one can start.
import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';

const KEYWORD = 2; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD

export type OperatorService = Pick<NativeConnection['operatorService'], 'listSearchAttributes' | 'addSearchAttributes'>;

/** The names of ours that the namespace does not know yet. */
export async function missingSearchAttributes(service: OperatorService, namespace: string): Promise<string[]> {
  const { customAttributes } = await service.listSearchAttributes({ namespace });
  const known = Object.keys(customAttributes ?? {});
  return Object.values(SEARCH_ATTRIBUTES)
    .map(({ name }) => name)
    .filter((name) => !known.includes(name));
}

/** Registers those that are missing; does nothing when all are there. */
export async function registerSearchAttributes(service: OperatorService, namespace: string): Promise<void> {
  const missing = await missingSearchAttributes(service, namespace);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]));
  await service.addSearchAttributes({ namespace, searchAttributes });
}
