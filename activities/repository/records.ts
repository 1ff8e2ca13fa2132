// Small signed records that are decided once: the first tier's copy counts, and every tier gets the same bytes.
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { leadStore, type RepositoryContext } from './context.ts';
import { openRecord, signRecord } from './signing.ts';
import { type BackupStore, createText, readText } from './store.ts';

/** Stores a signed record in every tier. What an earlier call decided under this name stays. */
export async function decideRecord(context: RepositoryContext, name: string, make: () => object): Promise<void> {
  const lead = leadStore(context);
  const text = (await readText(lead, name)) ?? (await decide(context, lead, name, make()));
  await openRecord(context.configuration.signing, text, `'${name}' in tier '${lead.name}'`);
  for (const store of context.stores) await createText(store, name, text);
}

async function decide(context: RepositoryContext, lead: BackupStore, name: string, record: object): Promise<string> {
  const text = await signRecord(context.configuration.signing, canonicalJson(record));
  try {
    await createText(lead, name, text);
    return text;
  } catch (error) {
    const earlier =
      error instanceof Failure && error.code === 'ALREADY_EXISTS_DIFFERENT' ? await readText(lead, name) : null;
    if (earlier === null) throw error;
    return earlier;
  }
}

/**
 * A signed record of this platform, or null when it is not there or cannot be trusted.
 * @throws {Failure} when the tier cannot be read: that is not the same as absent.
 */
export async function readRecord<T extends { readonly platform: string }>(
  context: RepositoryContext,
  store: BackupStore,
  name: string,
  parse: (text: string) => T,
): Promise<T | null> {
  const text = await readText(store, name);
  if (text === null) return null;
  try {
    const record = parse(await openRecord(context.configuration.signing, text, `'${name}' in tier '${store.name}'`));
    return record.platform === context.platform ? record : null;
  } catch (error) {
    if (error instanceof Failure && (error.code === 'MANIFEST_UNTRUSTED' || error.code === 'VERSION_UNFIT'))
      return null;
    throw error;
  }
}
