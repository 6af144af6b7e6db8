import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'
import type { LeftRoom } from '../src/cli/evacuation.ts'
import { CommandError, EXIT } from '../src/cli/exit-codes.ts'

export default class EvacuateUser extends BaseCommand {
  static override summary = 'Take a local user out of every room.'
  static override description =
    'Leaves each room, rejects each invite and takes back each knock, as the user. A room that fails is reported and ' +
    'does not keep the others; then the exit code is 1. Works while the server runs and while it does not.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> @spam:example.org --dry-run',
    '<%= config.bin %> <%= command.id %> @spam:example.org --reason "spam" --deactivate --yes',
  ]

  static override args = {
    userId: Args.string({ description: 'User id, like @name:server, or the name alone.', required: true }),
  }

  static override flags = {
    'dry-run': Flags.boolean({ summary: 'List the rooms and change nothing; exit code 10 if there are any.' }),
    room: Flags.string({
      summary: 'Only this room; may be given several times.',
      multiple: true,
      helpValue: 'ROOM_ID',
    }),
    reason: Flags.string({ summary: 'Reason that the rooms are told.', helpValue: 'TEXT' }),
    deactivate: Flags.boolean({ summary: 'Close the account as well, before the rooms are left.' }),
    dir: Flags.string({ summary: 'Directory of the server: configuration and data.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags, args } = await this.parse(EvacuateUser)
    if (!flags['dry-run'] && !flags.yes && !this.interactive) {
      const suggestion = 'add --yes, or look first with --dry-run'
      throw new CommandError('Nobody can be asked here.', { exit: EXIT.usage, code: 'USAGE', suggestion })
    }
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { evacuate } = await import('../src/cli/evacuation.ts')
    const { openLog } = await import('../src/cli/log.ts')
    const log = await openLog(loaded.config, { level: flags['log-level'] ?? 'warn' })
    const wish = {
      userId: args.userId,
      rooms: flags.room,
      reason: flags.reason,
      dryRun: flags['dry-run'],
      deactivate: flags.deactivate,
    }
    let [done, total] = [0, 0]
    const confirm = async (rooms: readonly unknown[]) => {
      total = rooms.length
      return flags.yes || this.ask(`Leave ${total} rooms?`)
    }
    const progress = await this.progress('leaving rooms')
    const left = (room: LeftRoom) => {
      const place = `${room.room_id} (${room.membership})`
      // Where a person reads the lines as they come, they show how far it is.
      if (process.stdout.isTTY !== true) progress.step(++done, total)
      this.log(room.error === undefined ? `left ${place}` : `FAILED ${place}: ${room.error}`)
    }
    const rooms = await evacuate({ ...loaded, log }, wish, confirm, left).finally(progress.stop)
    if (rooms === undefined) return { user_id: args.userId, rooms: [] }
    if (flags['dry-run']) {
      for (const room of rooms) this.log(`${room.room_id} (${room.membership})`)
      if (rooms.length === 0) this.note(`${args.userId} is in no room.`)
      else process.exitCode = EXIT.changesPending
    }
    const failed = rooms.filter((room) => room.error !== undefined).length
    if (!flags['dry-run']) this.log(`${rooms.length - failed} rooms left, ${failed} failed`)
    if (failed > 0) process.exitCode = EXIT.failed
    return { user_id: args.userId, rooms, failed }
  }

  private async ask(message: string): Promise<boolean> {
    const { askYesNo } = await import('../src/cli/prompts.ts')
    return askYesNo(message)
  }
}
