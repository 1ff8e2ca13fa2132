// Something that the installer cannot bring: told in the three lines of every error of ours.

export class Missing extends Error {
  /** @param {string} what @param {string} means @param {string} action @param {string} [words] last words of a tool */
  constructor(what, means, action, words) {
    super(what);
    this.means = means;
    this.action = action;
    this.words = words;
  }
}

/** @param {Missing} error */
export function threeLines(error) {
  const words = error.words ? `${error.words.trimEnd()}\n` : '';
  return `${words}${error.message}\nMEANS: ${error.means}\nDO: ${error.action}`;
}
