import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, 'preload/disk.c')

/** Compiles the library that stands between a program and its disk. Errors: when there is no C compiler. */
export function compileDisk(dir: string): string {
  const library = join(dir, 'disk.so')
  const compiler = process.env.CC ?? 'cc'
  try {
    execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl', '-lpthread'], { stdio: 'pipe' })
  } catch (error) {
    throw new Error(`No disk can be slowed or recorded without a C compiler: ${compiler} failed.`, { cause: error })
  }
  return library
}
