/**
 * Backups: a store at one moment as a stream of checked bytes, and what a restore makes of them.
 *
 * Start at `backupBytes`. Rules: docs/spec/backup.md.
 *
 * @module
 */

export { backupBytes, type BackupDeps, type BackupManifest, type BackupOptions } from "./backup.ts";
export { type BackupRecord, checkedBackup, decodeBackup } from "./backup-file.ts";
export { BackupError, type BackupErrorCode } from "./errors.ts";
export { fillStore, readManifest } from "./fill.ts";
