import { endRoomTask } from './end-room.ts'
import { expireEventsTask } from './expire-events.ts'
import { expireMediaTask } from './expire-media.ts'
import { forgetOldRowsTask } from './forget-old-rows.ts'
import { leaveRoomsTask } from './leave-rooms.ts'
import { pruneLogTask } from './prune-log.ts'
import { purgeEventsTask } from './purge-events.ts'
import { purgeHistoryTask } from './purge-history.ts'
import { removeContentsTask } from './remove-contents.ts'
import type { TaskKind } from './run.ts'
import { sweepMediaTask } from './sweep-media.ts'

/** Every kind of task that the server runs. */
export const TASK_KINDS: readonly TaskKind[] = [
  pruneLogTask,
  purgeEventsTask,
  purgeHistoryTask,
  forgetOldRowsTask,
  endRoomTask,
  expireEventsTask,
  leaveRoomsTask,
  sweepMediaTask,
  expireMediaTask,
  removeContentsTask,
]
