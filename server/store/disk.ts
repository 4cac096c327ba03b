import { syncFolder } from "../../files/atomic_file.ts";

/**
 * The steps by which the store makes things last, each of which a disk can fail. Tests put disks that
 * do in the place of {@linkcode SYSTEM_DISK}.
 */
export interface Disk {
  /** Makes the bytes of an open file durable. Rejects with what the system threw. */
  syncFile(file: Deno.FsFile): Promise<void>;
  /** Makes the bytes of an open file durable, and of what the system keeps of it only its size. */
  syncData(file: Deno.FsFile): Promise<void>;
  /** Makes the names in a folder durable. Rejects with a SealpostError. */
  syncFolder(folder: string): Promise<void>;
  /** Runs the COMMIT of a transaction, in which SQLite fsyncs its log. Throws what SQLite throws. */
  commit(run: () => void): void;
}

/** The disk there is. */
export const SYSTEM_DISK: Disk = {
  syncFile: (file) => file.sync(),
  syncData: (file) => file.syncData(),
  syncFolder,
  commit: (run) => run(),
};
