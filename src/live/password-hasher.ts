import { availableParallelism } from 'node:os'
import { createPlaces } from './places.ts'

/** Slow hashing of passwords, a bounded number at a time: it shares the thread pool with the disk. */
export interface PasswordHasher {
  /** Errors: M_LIMIT_EXCEEDED when too many wait. */
  hash(password: string): Promise<string>
  /** Takes argon2 hashes, and the bcrypt hashes of imported accounts. Without a hash it takes as long and says no. */
  verify(password: string, hash: string | null): Promise<boolean>
}

/** Hashes that may wait for their turn; more are refused. */
const MAX_WAITING = 32
/** OWASP's parameters for argon2id: 19 MiB, two passes. Cheap ones are for tests alone. */
const NORMAL = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const CHEAP = { memoryCost: 1_024, timeCost: 1, parallelism: 1 }

export function createPasswordHasher(cheap: boolean): PasswordHasher {
  const options = cheap ? CHEAP : NORMAL
  const turns = createPlaces(Math.max(1, availableParallelism() - 1), MAX_WAITING, 'Too many logins at once.')
  let decoy: Promise<string> | undefined

  async function hash(password: string): Promise<string> {
    return turns(async () => (await import('@node-rs/argon2')).hash(password, options))
  }

  return {
    hash,
    async verify(password, known) {
      if (known === null) {
        decoy ??= hash('no account has this password')
        await turns(async () => (await import('@node-rs/argon2')).verify(await decoy!, password))
        return false
      }
      if (known.startsWith('$2')) return turns(async () => (await import('bcryptjs')).compare(password, known))
      return turns(async () => (await import('@node-rs/argon2')).verify(known, password))
    },
  }
}
