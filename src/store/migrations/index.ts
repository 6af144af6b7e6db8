import { first } from './0001-first.ts'
import { roomServers } from './0002-room-servers.ts'

/** Every migration, in order of its number. Forward only. */
export const MIGRATIONS = [first, roomServers]
