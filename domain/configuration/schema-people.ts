// Who is called when something is wrong, and what an hour of it costs: words for people, which change no run.
import { z } from 'zod';

const line = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[^\p{Cc}|`]+$/u, 'one line of text, without | and `');

export const contact = z.strictObject({
  role: line.describe('what this person does in an incident, for example "on call"'),
  name: line,
  reach: line.describe('how to reach this person when the platform is down, for example a telephone number'),
});

export const costs = z.strictObject({
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'a currency is three letters, for example EUR')
    .default('EUR'),
  downtimePerHour: z.int().min(1).describe('what an hour without the platform costs'),
});
