import { first } from './0001-first.ts'

/** Every migration, in order of its number. Forward only. */
export const MIGRATIONS = [first]
