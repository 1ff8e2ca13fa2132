// A configuration that is right in every line: tests break one thing at a time.

export const EXAMPLE = `platform: orders
activeSite: west
witness: { directory: /var/lib/holdfast/witness }
sites:
  west:
    workDirectory: /var/lib/holdfast/work
    postgres:
      host: 127.0.0.1
      password: \${file:/etc/holdfast/secrets/postgres}
    redis: { host: 127.0.0.1 }
    rabbitmq:
      host: 127.0.0.1
      management: http://127.0.0.1:15672
      user: holdfast
      password: \${env:RABBITMQ_PASSWORD}
      dataDirectory: /var/lib/rabbitmq/mnesia/rabbit@west
    config: { root: /srv/app, patterns: ["**/*.env"] }
    tls:
      certificates:
        - { name: web, certificate: /etc/ssl/web.crt, key: /etc/ssl/web.key }
repository:
  spool: /var/lib/holdfast/spool
  tiers:
    local: { kind: folder, path: /backup/holdfast }
    s3: { kind: s3, bucket: orders-backup, accessKeyId: "\${env:ID}", secretAccessKey: "\${env:SECRET}" }
  keys:
    recipients:
      - { name: restore, publicKey: /etc/holdfast/keys/restore.pub }
      - { name: escrow, publicKey: /etc/holdfast/keys/escrow.pub }
    private:
      - { name: restore, key: "\${file:/etc/holdfast/keys/restore.key}" }
  tlsKeys:
    recipients:
      - { name: tls-restore, publicKey: /etc/holdfast/keys/tls-restore.pub }
  signing:
    name: witness
    key: \${file:/etc/holdfast/keys/witness.key}
    trusted:
      - { name: witness, publicKey: /etc/holdfast/keys/witness.pub }
`;

/** The example with one text replaced. @throws when the text is not in it, so that no test passes by accident. */
export function exampleWith(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the example does not hold: ${from}`);
    return text.replace(from, () => to);
  }, EXAMPLE);
}
