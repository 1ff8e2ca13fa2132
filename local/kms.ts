// In place of AWS KMS, for the tests: its JSON protocol over keys that really encrypt, as strict as the reference about
// states, contexts and rights. The account is the one that the request names; its signature is not checked.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Context, KeyStore, KmsRefusal } from './kms/key-store.ts';

const USES = ['Encrypt', 'Decrypt', 'GenerateDataKey'] as const;
const CARE = ['DescribeKey', 'DisableKey', 'EnableKey', 'ScheduleKeyDeletion', 'CancelKeyDeletion'] as const;
export type KmsOperation = (typeof USES)[number] | (typeof CARE)[number];

export interface KmsAccount {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface LocalKms {
  readonly endpoint: string;
  readonly region: string;
  readonly keys: KeyStore;
  /** May use and look after every key. */
  readonly owner: KmsAccount;
  /** Another account, that may do what is named and nothing else. */
  accountFor(...may: readonly KmsOperation[]): KmsAccount;
  /** Operations that were asked for, in order. */
  readonly asked: readonly KmsOperation[];
  /** True: requests are taken and never answered, as of a region whose network is gone. */
  isSilent: boolean;
  close(): Promise<void>;
}

/** Starts the KMS of one region. */
export async function startKms(region = 'eu-central-1'): Promise<LocalKms> {
  const kms = new RegionalKms(region);
  const server = createServer((request, response) => void kms.serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  kms.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  kms.end = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return kms;
}

interface Asked {
  readonly KeyId?: string;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
  readonly EncryptionContext?: Context;
  readonly KeySpec?: string;
  readonly NumberOfBytes?: number;
  readonly PendingWindowInDays?: number;
}

class RegionalKms implements LocalKms {
  endpoint = '';
  isSilent = false;
  end: () => Promise<void> = async () => undefined;
  readonly region: string;
  readonly keys = new KeyStore();
  readonly asked: KmsOperation[] = [];
  readonly owner: KmsAccount;
  readonly #rights = new Map<string, readonly KmsOperation[]>();

  constructor(region: string) {
    this.region = region;
    this.owner = this.accountFor(...USES, ...CARE);
  }

  accountFor(...may: readonly KmsOperation[]): KmsAccount {
    const account = {
      accessKeyId: `AKIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: 'local-secret',
    };
    this.#rights.set(account.accessKeyId, may);
    return account;
  }

  close(): Promise<void> {
    return this.end();
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const operation = operationOf(request);
    if (operation !== null) this.asked.push(operation);
    if (this.isSilent) return;
    try {
      send(response, 200, this.#answer(request, operation, JSON.parse(body) as Asked));
    } catch (error) {
      if (!(error instanceof KmsRefusal)) throw error;
      send(response, 400, { __type: error.name, message: error.message });
    }
  }

  #answer({ headers }: IncomingMessage, operation: KmsOperation | null, asked: Asked): object {
    if (operation === null) throw new KmsRefusal('UnknownOperationException', '');
    const account = /Credential=([^/]+)\/\d{8}\/([^/]+)\/kms\/aws4_request/.exec(headers.authorization ?? '');
    const may = this.#rights.get(account?.[1] ?? '');
    if (may === undefined)
      throw new KmsRefusal('UnrecognizedClientException', 'The security token included in the request is invalid.');
    if (account?.[2] !== this.region)
      throw new KmsRefusal('InvalidSignatureException', 'The scope names another region.');
    if (!may.includes(operation))
      throw new KmsRefusal('AccessDeniedException', `User is not authorized to perform: kms:${operation}`);
    return OPERATIONS[operation](this.keys, asked);
  }
}

function operationOf({ method, headers }: IncomingMessage): KmsOperation | null {
  const target = String(headers['x-amz-target']);
  const known = [...USES, ...CARE].find((one) => target === `TrentService.${one}`);
  return method === 'POST' && headers['content-type'] === 'application/x-amz-json-1.1' ? (known ?? null) : null;
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined)
    throw new KmsRefusal(
      'ValidationException',
      `Value at '${name}' failed to satisfy constraint: Member must not be null`,
    );
  return value;
}

const bytesOf = (value: string | undefined, name: string) => Buffer.from(required(value, name), 'base64');
const keyOf = ({ KeyId }: Asked) => required(KeyId, 'keyId');

const OPERATIONS: Readonly<Record<KmsOperation, (keys: KeyStore, asked: Asked) => object>> = {
  Encrypt: (keys, asked) => {
    const plain = bytesOf(asked.Plaintext, 'plaintext');
    return { KeyId: keyOf(asked), ...sealed(keys, asked, plain) };
  },
  Decrypt: (keys, { KeyId, CiphertextBlob, EncryptionContext = {} }) => {
    const { arn, plain } = keys.decrypt(bytesOf(CiphertextBlob, 'ciphertextBlob'), EncryptionContext, KeyId);
    return { KeyId: arn, Plaintext: plain.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
  },
  GenerateDataKey: (keys, asked) => {
    const plain = randomBytes(dataKeyBytes(asked));
    return { KeyId: keyOf(asked), Plaintext: plain.toString('base64'), ...sealed(keys, asked, plain) };
  },
  DescribeKey: (keys, asked) => describe(keys, keyOf(asked)),
  DisableKey: (keys, asked) => {
    keys.disable(keyOf(asked));
    return {};
  },
  EnableKey: (keys, asked) => {
    keys.enable(keyOf(asked));
    return {};
  },
  ScheduleKeyDeletion: (keys, asked) => {
    const days = asked.PendingWindowInDays ?? 30;
    if (days < 7 || days > 30) throw new KmsRefusal('ValidationException', 'PendingWindowInDays is 7 to 30');
    keys.scheduleDeletion(keyOf(asked));
    return { KeyId: keyOf(asked), KeyState: keys.stateOf(keyOf(asked)), PendingWindowInDays: days };
  },
  CancelKeyDeletion: (keys, asked) => {
    keys.cancelDeletion(keyOf(asked));
    return { KeyId: keyOf(asked) };
  },
};

function sealed(keys: KeyStore, asked: Asked, plain: Uint8Array) {
  const blob = keys.encrypt(keyOf(asked), plain, asked.EncryptionContext ?? {});
  return { CiphertextBlob: blob.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
}

function dataKeyBytes({ KeySpec, NumberOfBytes }: Asked): number {
  if ((KeySpec === undefined) === (NumberOfBytes === undefined))
    throw new KmsRefusal('ValidationException', 'Please specify either number of bytes or key spec.');
  return NumberOfBytes ?? (KeySpec === 'AES_128' ? 16 : 32);
}

function describe(keys: KeyStore, KeyId: string): object {
  const KeyState = keys.stateOf(KeyId);
  return { KeyMetadata: { KeyId: KeyId.split('/')[1], Arn: KeyId, KeyState, Enabled: KeyState === 'Enabled' } };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}
