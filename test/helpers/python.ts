import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const INSTALL_WITHIN_MS = 300_000

/**
 * The Python of a virtual environment with the packages in it, kept beside the cache of npm for the next time. Where
 * Python or its package index cannot be had, that is a failure where `CI` is set; elsewhere it is said aloud, and the
 * answer undefined.
 */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string | undefined> {
  const dir = join(process.env.npm_config_cache ?? tmpdir(), 'dendrite-interop', name)
  const python = join(dir, 'bin', 'python')
  // Says what was installed, and is the last thing to be written.
  const [done, wanted] = [join(dir, 'installed'), packages.join('\n')]
  try {
    if ((await readFile(done, 'utf8').catch(() => '')) === wanted && (await works(python))) return python
    await mkdir(dir, { recursive: true })
    await run('python3', ['-m', 'venv', '--clear', dir])
    await run(python, ['-m', 'pip', 'install', '--quiet', ...packages], { timeout: INSTALL_WITHIN_MS })
    await writeFile(done, wanted)
    return python
  } catch (error) {
    const reason = `NOT TESTED: ${packages.join(', ')} could not be installed: ${(error as Error).message}`
    if (process.env.CI !== undefined) throw new Error(reason)
    console.error(reason)
    return undefined
  }
}

/** A Python that was installed anew takes its environments with it. */
function works(python: string): Promise<boolean> {
  return run(python, ['--version']).then(
    () => true,
    () => false,
  )
}
