import { CodedError } from "../base/index.ts";

/** `BACKUP_INVALID`: what is there is no whole backup. `BACKUP_OCCUPIED`: something stands where it is to be restored. */
export type BackupErrorCode = "BACKUP_INVALID" | "BACKUP_OCCUPIED";

export class BackupError extends CodedError<BackupErrorCode> {}
