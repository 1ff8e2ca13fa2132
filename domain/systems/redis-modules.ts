// Types of values that modules bring. A scratch server has no module but those that are part of Redis itself.

/** Modules that are built into Redis, with the version from which on; each has one type of its own name. */
const BUILT_IN: Readonly<Record<string, readonly [major: number, minor: number]>> = { vectorset: [8, 0] };

/** True when a plain redis-server of `version` brings the module, and with it the type of the same name. */
export function isBuiltIn(name: string, version: string): boolean {
  const since = BUILT_IN[name];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return since !== undefined && (major > since[0] || (major === since[0] && minor >= since[1]));
}

/** Types of a backup that a plain redis-server of `version` cannot load. */
export function unloadableTypes(types: readonly string[], version: string): readonly string[] {
  return types.filter((name) => !isBuiltIn(name, version));
}
