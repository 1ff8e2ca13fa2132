// The recovery's one activity of its own: workflows cannot hash.

export interface RecoveryActivities {
  /** SHA-256 (lower-case hex) of the canonical JSON of a plan without its digest: what an approval binds to. */
  digestPlan(input: { readonly plan: object }): Promise<{ readonly digest: string }>;
}
