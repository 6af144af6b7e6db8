import fs, { type FileHandle, open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/** What is asked of the disk while a file comes in, in this order; `open`: that of the file itself. */
export const DISK_STEPS = ['open', 'write', 'datasync', 'rename', 'link', 'sync'] as const
export type DiskStep = (typeof DISK_STEPS)[number] | 'rm'

const ON_HANDLES: ReadonlySet<DiskStep> = new Set(['write', 'datasync', 'sync'])

/** The disk fails at that step of this process while the work goes on. A write fails after a part of its bytes. */
export async function withDiskFault<T>(step: DiskStep, code: string, work: () => Promise<T>): Promise<T> {
  const handle = await open(import.meta.filename)
  await handle.close()
  const owner = (ON_HANDLES.has(step) ? Object.getPrototypeOf(handle) : fs) as Record<string, unknown>
  const original = owner[step] as (...args: unknown[]) => Promise<unknown>
  owner[step] = async function (this: FileHandle, ...args: unknown[]) {
    if (step === 'open' && args[1] !== 'wx') return original.apply(this, args)
    if (step === 'write') await original.call(this, (args[0] as Uint8Array).subarray(0, 1))
    throw Object.assign(new Error(`${code}: planted at ${step}`), { code })
  }
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    owner[step] = original
    syncBuiltinESMExports()
  }
}

/** The paths that were synced during the work. */
export async function synced(work: () => Promise<unknown>): Promise<Set<string>> {
  const paths = new Set<string>()
  const original = fs.open
  fs.open = async (path, ...more) => {
    const handle = await original(path, ...more)
    const { sync } = handle
    handle.sync = async () => {
      paths.add(String(path))
      return sync.call(handle)
    }
    return handle
  }
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    fs.open = original
    syncBuiltinESMExports()
  }
  return paths
}
