// How each kind of backup becomes a running store again by its own tools. Every word in these commands is ours; what
// stores named themselves stays inside the files.
import type { Artifact, BackupRef, Manifest } from './manifest.ts';
import { refText } from './repository-layout.ts';
import { type AofFile, parseAofManifest, writeAofManifest } from './systems/redis-aof.ts';

/** Words and commands that use what was opened. */
export function useOf(manifest: Manifest, parents: readonly Manifest[]): string {
  const use = USES[`${manifest.system}/${manifest.kind}`];
  return use?.(manifest, parents) ?? 'The files are in their own plain formats: see docs/repository-format.md.';
}

/** A block of commands with the words above it. */
const sh = (words: string, ...lines: readonly string[]): string =>
  `${words}\n\n\`\`\`sh\nset -euo pipefail\n${lines.join('\n')}\n\`\`\``;

const folderOf = (ref: BackupRef): string => `$WORK/${refText(ref)}`;
const withRole = ({ artifacts }: Manifest, role: string) => artifacts.filter((one) => one.role === role);

const unpack = (ref: BackupRef): string =>
  sh(
    'Unpack beside the live folder, look, and move what you need to its place:',
    `mkdir "${folderOf(ref)}/files"`,
    `tar --extract --file "${folderOf(ref)}/files.tar" --directory "${folderOf(ref)}/files" --same-permissions`,
  );

function startSnapshot(manifest: Manifest): string {
  const data = `${folderOf(manifest)}/data`;
  return sh(
    'Start a Redis of the same or a newer version on an empty folder that holds the snapshot, then let it write its own append-only files (CONFIG SET appendonly yes) where you use them:',
    `mkdir "${data}"`,
    `cp "${folderOf(manifest)}/dump.rdb" "${data}/dump.rdb"`,
    `redis-server --port "\${REDIS_PORT:-6379}" --bind 127.0.0.1 --dir "${data}" --dbfilename dump.rdb --appendonly no --daemonize yes`,
  );
}

// The files get names of ours: those of the store are in its own hands.
function startAppendOnly(manifest: Manifest): string {
  const data = `${folderOf(manifest)}/data`;
  const listed = parseAofManifest(String(manifest.report.manifest)).filter(({ type }) => type !== 'h');
  const files = listed.map((file): AofFile => ({ ...file, name: ownName(file) }));
  return sh(
    'Start a Redis of the same or a newer version on an empty folder that holds the append-only files. A last command that was not written to its end is left out (aof-load-truncated):',
    `mkdir -p "${data}/appendonlydir"`,
    ...files.map(
      ({ name }, index) =>
        `cp "${folderOf(manifest)}/${withRole(manifest, 'aof')[index]?.name}" "${data}/appendonlydir/${name}"`,
    ),
    `cat > "${data}/appendonlydir/appendonly.aof.manifest" <<'END'`,
    `${writeAofManifest(files)}END`,
    `redis-server --port "\${REDIS_AOF_PORT:-6379}" --bind 127.0.0.1 --dir "${data}" --appendonly yes --appenddirname appendonlydir --appendfilename appendonly.aof --aof-load-truncated yes --daemonize yes`,
  );
}

const ownName = ({ name, sequence, type }: AofFile): string =>
  `appendonly.aof.${sequence}.${type === 'b' ? 'base' : 'incr'}.${name.endsWith('.rdb') ? 'rdb' : 'aof'}`;

// Every new server has a database `postgres`; the others are made by the dumps, which know their names.
const placeOf = ({ subject }: Artifact): string => (subject === 'postgres' ? 'postgres' : 'template1 --create');

const restoreDumps = (manifest: Manifest): string =>
  sh(
    'On an empty server of the same or a newer version, as a superuser (PGHOST, PGPORT and PGUSER say where). The account that restores keeps its own password; other roles get those of the backup:',
    `grep --invert-match --extended-regexp "^(CREATE|ALTER) ROLE \${PGUSER:-postgres}[ ;]" "${folderOf(manifest)}/globals.sql" | psql --dbname postgres --quiet`,
    ...withRole(manifest, 'dump').map(
      (one) => `pg_restore --exit-on-error --dbname ${placeOf(one)} "${folderOf(manifest)}/${one.name}"`,
    ),
  );

// Tablespaces lie beside the data folder, under their numbers.
const spacesOf = (manifest: Manifest): string[] =>
  withRole(manifest, 'tablespace').map(({ name }) => name.replace(/^tablespace-(\d+)\.tar$/, '$1'));

const UNTAR = 'tar --extract --no-same-owner --same-permissions --delay-directory-restore --file';

function unpackBase(manifest: Manifest, data: string): string[] {
  const from = folderOf(manifest);
  return [
    `mkdir -m 700 "${data}"`,
    `${UNTAR} "${from}/base.tar" --directory "${data}"`,
    ...spacesOf(manifest).flatMap((oid) => [
      `mkdir -m 700 "${data}.tablespace-${oid}"`,
      `${UNTAR} "${from}/tablespace-${oid}.tar" --directory "${data}.tablespace-${oid}"`,
      `ln -sfn "${data}.tablespace-${oid}" "${data}/pg_tblspc/${oid}"`,
    ]),
    ...withRole(manifest, 'base-manifest').map(({ name }) => `cp "${from}/${name}" "${data}/backup_manifest"`),
    `pg_verifybackup --quiet "${data}"`,
  ];
}

function combine(manifest: Manifest, parts: readonly string[], data: string): string[] {
  const mappings = spacesOf(manifest).map(
    (oid) => `--tablespace-mapping="${parts.at(-1)}.tablespace-${oid}=${data}.tablespace-${oid}" `,
  );
  return [
    `pg_combinebackup --output "${data}" ${mappings.join('')}${parts.map((part) => `"${part}"`).join(' ')}`,
    `pg_verifybackup --quiet "${data}"`,
  ];
}

const SERVER = `-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c archive_mode=off`;

function startBase(manifest: Manifest, parents: readonly Manifest[]): string {
  const data = `${folderOf(manifest)}/data`;
  const parts = [...parents, manifest].map((one, index) => ({
    one,
    folder: parents.length === 0 ? data : `${data}-${index}`,
  }));
  const spaces = spacesOf(manifest);
  return sh(
    `The programs of PostgreSQL ${String(manifest.source.version ?? '')} must be on PATH, of the same major version (Debian: /usr/lib/postgresql/VERSION/bin). As root, OWNER is the account that the server runs as. The server starts on 127.0.0.1 and PG_BASE_PORT, and archives nothing:`,
    ...parts.flatMap(({ one, folder }) => unpackBase(one, folder)),
    ...(parents.length === 0
      ? []
      : combine(
          manifest,
          parts.map(({ folder }) => folder),
          data,
        )),
    ...(spaces.length === 0
      ? []
      : [
          `printf '%s\\n' ${spaces.map((oid) => `"${oid} ${data}.tablespace-${oid}"`).join(' ')} > "${data}/tablespace_map"`,
        ]),
    `[ -e "${data}/postgresql.conf" ] || touch "${data}/postgresql.conf"`,
    `[ -e "${data}/pg_hba.conf" ] || echo 'host all all 127.0.0.1/32 scram-sha-256' > "${data}/pg_hba.conf"`,
    'as_owner() { if [ "$(id -u)" = 0 ]; then runuser -u "${OWNER:-postgres}" -- "$@"; else "$@"; fi; }',
    `if [ "$(id -u)" = 0 ]; then chmod 711 "$WORK" "$WORK/postgres" "${folderOf(manifest)}"; chown -R "\${OWNER:-postgres}" "${data}"${spaces.map((oid) => ` "${data}.tablespace-${oid}"`).join('')}; fi`,
    `as_owner env PATH="$PATH" pg_ctl start --wait --pgdata "${data}" --log "${data}/restore.log" --options "-p \${PG_BASE_PORT:-5432} ${SERVER}"`,
  );
}

const FILL = `"$WORK/venv/bin/python" "$WORK/fill-broker.py"`;
const BROKER =
  'On an empty broker of the same or a newer version with its management plugin: MQ_API is its address (http://127.0.0.1:15672), MQ_HOST and MQ_PORT where it speaks AMQP, MQ_USER and MQ_PASSWORD an administrator (it keeps its password).';

function fillBroker(manifest: Manifest): string {
  const definitions = `"${folderOf(manifest)}/definitions.json"`;
  const files = withRole(manifest, 'messages').map(({ name }) => ` "${folderOf(manifest)}/${name}"`);
  const messages = files.length === 0 ? [] : [`${FILL} messages${files.join('')}`];
  return sh(
    `${BROKER} Virtual hosts, users, exchanges, queues and bindings come first, then the messages of each queue in their order, each confirmed; policies, limits, shovels and federation come last. A queue that holds messages is left alone: after an interruption delete the queue that was being filled and run this again. Routing headers (CC, BCC) and foreign user ids come back as headers x-dr-…:`,
    `${FILL} definitions ${definitions}`,
    ...messages,
    `${FILL} rest ${definitions}`,
  );
}

const USES: Readonly<Record<string, (manifest: Manifest, parents: readonly Manifest[]) => string>> = {
  'config/files': unpack,
  'tls/files': unpack,
  'redis/rdb': startSnapshot,
  'redis/aof': startAppendOnly,
  'postgres/logical': restoreDumps,
  'postgres/physical': startBase,
  'postgres/incremental': startBase,
  'rabbitmq/definitions': fillBroker,
  'rabbitmq/messages': fillBroker,
};
