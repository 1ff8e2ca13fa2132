// Every export is a workflow that a worker registers.
export { applyRetention } from './apply-retention.ts';
export { ask } from './ask.ts';
export { backUpPlatform } from './back-up-platform.ts';
export { backUpSystem } from './back-up-system.ts';
export { changeHold } from './change-hold.ts';
export { failBack } from './fail-back.ts';
export { failOver } from './fail-over.ts';
export { failOverPlanned } from './fail-over-planned.ts';
export { recoverPlatform } from './recover-platform.ts';
export { restoreSystem } from './restore-system.ts';
export { rotateKeys } from './rotate-keys.ts';
export { verifyBackups } from './verify-backups.ts';
export { watchCertificates } from './watch-certificates.ts';
