// Which major versions of PostgreSQL a backup goes into: a dump into its own and newer ones, a base backup into its own
// alone (https://www.postgresql.org/docs/17/upgrading.html).

export interface Unfit {
  /** Lower-case reason. */
  readonly reason: string;
  /** What would fit. */
  readonly need: string;
}

/** Why a backup of version `from` cannot be restored by version `to`; null when it can. */
export function whyUnfit(form: 'dump' | 'base', from: number, to: number): Unfit | null {
  if (form === 'dump') {
    if (to >= from) return null;
    return {
      reason: `a dump of PostgreSQL ${from} does not load into ${to}, which is older`,
      need: `PostgreSQL ${from} or newer, programs and server`,
    };
  }
  if (to === from) return null;
  const another = to > from ? `; a logical backup of ${from} also loads into ${to}` : '';
  return {
    reason: `the files of a base backup of PostgreSQL ${from} are of no use to ${to}`,
    need: `PostgreSQL ${from}, programs and server${another}`,
  };
}
