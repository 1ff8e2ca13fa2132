// The schema for editors: completion, hover texts and red lines before `dr config check` runs.
import { z } from 'zod';
import { configurationSchema } from './schema.ts';

/** JSON Schema (draft 2020-12) of the configuration file as a person writes it. */
export function configurationJsonSchema(): Record<string, unknown> {
  return { title: 'Holdfast configuration', ...z.toJSONSchema(configurationSchema, { io: 'input' }) };
}
