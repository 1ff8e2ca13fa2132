// Settings of the witness: its folder, and what `dr witness` looks at through the public name.
import { z } from 'zod';
import { duration, path, port, secret } from './values.ts';

const host = z
  .string()
  .regex(/^[A-Za-z0-9_]([A-Za-z0-9._:-]*[A-Za-z0-9.])?$/, 'a host is a name or an address, without a port')
  .describe('what clients connect to: the public name; it is asked of DNS before each look');
const rootFile = path.optional().describe('certificates that the name is trusted by; default: those of Node.js');
const within = duration.default('3s').describe('no answer within it is a failed look');
const encrypted = z.boolean().default(false).describe('speak TLS');

const probe = z
  .discriminatedUnion('check', [
    z.strictObject({
      check: z.literal('postgres').describe('asks for a session and goes no further; no password is needed'),
      ...{ host, port: port.default(5432), within },
      user: z.string().min(1).default('postgres').describe('for whom the session is asked; need not exist'),
    }),
    z.strictObject({
      check: z.literal('redis').describe('PING; that a password is wanted is an answer, too'),
      ...{ host, port: port.default(6379), tls: encrypted, rootFile, within },
    }),
    z.strictObject({
      check: z.literal('rabbitmq').describe('begins the handshake of AMQP 0-9-1 and goes no further'),
      ...{ host, port: port.default(5672), tls: encrypted, rootFile, within },
    }),
    z.strictObject({
      check: z.literal('tls').describe('a TLS handshake with a certificate that is good for the name'),
      ...{ host, port: port.default(443), rootFile, within },
    }),
    z.strictObject({
      check: z.literal('http').describe('asks with GET; redirects are not followed'),
      url: z
        .url({ protocol: /^https?$/ })
        .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), 'an address has no password in it')
        .describe('for example https://app.orders.example/health'),
      status: z.array(z.int().min(100).max(599)).min(1).default([200]).describe('statuses that mean well'),
      ...{ rootFile, within },
    }),
  ])
  .describe('one thing that has to answer through the public name; a listening port alone proves nothing');

export const witness = z.strictObject({
  directory: path.describe('audit log, checkpoint numbers, epochs, ledger and run records; not a site'),
  probes: z.array(probe).default([]).describe("what 'dr witness' looks at; all of them have to answer"),
  every: duration.default('5s').describe('from the beginning of one look to the next'),
  downAfter: z.int().min(1).max(100).default(3).describe('looks in a row that have to fail before it is an outage'),
  clean: duration
    .default('60s')
    .describe('how long every look has to be answered before an outage has ended; what comes and goes is one outage'),
  alive: z
    .strictObject({
      url: secret.describe('the address that takes the sign of life; it is a secret'),
      every: duration.default('60s'),
    })
    .optional()
    .describe("something outside that raises the alarm when 'dr witness' gives no sign of life for a while"),
});
