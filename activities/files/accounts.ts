// Names of users and groups on this machine, from its own tables. Numbers alone mean someone else on another machine.
import { readFile } from 'node:fs/promises';
import type { FileOwner } from '../../domain/files/entry.ts';
import { isAbsent } from './place.ts';

export interface Accounts {
  ownerOf(uid: number, gid: number): FileOwner;
  /** Numbers for an owner here: by name where the name exists, else the recorded number. */
  numbersOf(owner: FileOwner): { readonly uid: number; readonly gid: number };
}

/** Reads /etc/passwd and /etc/group; accounts of a directory service are known by number only. */
export async function readAccounts(): Promise<Accounts> {
  const [users, groups] = await Promise.all([readTable('/etc/passwd'), readTable('/etc/group')]);
  return {
    ownerOf: (uid, gid) => ({ uid, gid, user: users.names.get(uid) ?? null, group: groups.names.get(gid) ?? null }),
    numbersOf: ({ uid, gid, user, group }) => ({
      uid: users.numbers.get(user ?? '') ?? uid,
      gid: groups.numbers.get(group ?? '') ?? gid,
    }),
  };
}

async function readTable(path: string) {
  const text = await readFile(path, 'utf8').catch((error) => {
    if (isAbsent(error)) return '';
    throw error;
  });
  const names = new Map<number, string>();
  const numbers = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':');
    if (!name || !/^\d+$/.test(number ?? '')) continue;
    if (!names.has(Number(number))) names.set(Number(number), name);
    numbers.set(name, Number(number));
  }
  return { names, numbers };
}
