import { Command, Errors, Flags, type Interfaces } from '@oclif/core'
import type { LoadedConfig } from '../config/load.ts'
import { CommandError, describeFailure, EXIT } from './exit-codes.ts'
import type { Progress } from './progress.ts'

export type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<(typeof BaseCommand)['baseFlags'] & T['flags']>

/**
 * What all commands share. Results go to standard output, everything else to standard error. With `--json` standard
 * output holds one JSON object, also for errors, whose exit code stays what it is without.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  static override baseFlags = {
    config: Flags.string({
      char: 'c',
      summary: 'Configuration file.',
      description: 'Without it: dendrite.yaml here or upwards, in ~/.config/dendrite, in /etc/dendrite.',
      env: 'DENDRITE_CONFIG',
      helpValue: 'FILE',
      helpGroup: 'GLOBAL',
    }),
    'log-level': Flags.option({
      options: ['trace', 'debug', 'info', 'warn', 'error'] as const,
      summary: 'Least level logged; wins over the configuration.',
      helpGroup: 'GLOBAL',
    })(),
    yes: Flags.boolean({ char: 'y', summary: 'Ask nothing.', helpGroup: 'GLOBAL' }),
  }

  /** Whether a person can be asked. */
  protected get interactive(): boolean {
    return process.stdin.isTTY === true && process.stderr.isTTY === true && !this.jsonEnabled()
  }

  /** One line for the person at the terminal; silent with `--json`. */
  protected note(message: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${message}\n`)
  }

  /** Shows how far a long work has come, on standard error; nothing with `--json`. */
  protected async progress(label: string): Promise<Progress> {
    const [{ startProgress }, { systemClock }] = await Promise.all([import('./progress.ts'), import('../live/time.ts')])
    const terminal = process.stderr.isTTY === true && !this.jsonEnabled() ? process.stderr : undefined
    return startProgress({ label, terminal, note: (line) => this.note(line), clock: systemClock })
  }

  /**
   * The configuration named by `--config`, or found from `dir`. Says its warnings. Errors: ConfigError, CommandError.
   */
  protected async loadConfig(options: { file: string | undefined; dir: string | undefined }): Promise<LoadedConfig> {
    const { loadConfig } = await import('../config/load.ts')
    const loaded = loadConfig(options)
    if (loaded === undefined) {
      throw new CommandError('There is no dendrite.yaml.', {
        exit: EXIT.config,
        code: 'NO_CONFIG',
        suggestion: 'write one with `dendrite config init`, or name it with --config',
      })
    }
    for (const warning of loaded.warnings) this.note(`warning: ${warning}`)
    return loaded
  }

  /** Under `--json` oclif would exit 1 whatever the error, so the code is set first. */
  protected override async catch(error: Interfaces.CommandError): Promise<unknown> {
    const failure = toFailure(error)
    process.exitCode = failure.exit
    if (error instanceof Errors.ExitError) throw error
    if (this.jsonEnabled()) {
      this.logJson(this.toErrorJson(error))
      return undefined
    }
    if (failure.exit === EXIT.interrupted) this.exit(EXIT.interrupted)
    if (failure.code === 'INTERNAL') process.stderr.write(`${error.stack ?? error.message}\n`)
    // What oclif says of flags shows how to call the command; of everything else one line is enough.
    if (failure.code === 'USAGE' && failure.suggestion === undefined)
      this.error(failure.message, { exit: failure.exit })
    process.stderr.write(`${oneLine(failure)}\n`)
    this.exit(failure.exit)
  }

  /** Only these keys: oclif's own would print the whole input, and with it the secrets among the flags. */
  protected override toErrorJson(error: Interfaces.CommandError): { error: Record<string, unknown> } {
    const { code, message, exit, suggestion } = toFailure(error)
    return { error: { code, message, exit, ...(suggestion === undefined ? {} : { suggestion }) } }
  }
}

/** For a person and for grep: what is wrong, what to do, and the code that `--json` gives. */
function oneLine({ message, suggestion, code }: CommandError): string {
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`
  const hint = suggestion === undefined ? '' : ` To do: ${suggestion}.`
  return `Error: ${sentence}${hint} [${code}]`
}

function toFailure(error: Interfaces.CommandError): CommandError {
  const failure = describeFailure(error)
  if (failure !== undefined) return failure
  const exit = (error as Partial<Errors.CLIError>).oclif?.exit ?? error.exitCode
  if (exit === undefined) return new CommandError(error.message, { code: 'INTERNAL' })
  const usage = 'parse' in error || exit === EXIT.usage
  return new CommandError(error.message, { exit: usage ? EXIT.usage : exit, code: usage ? 'USAGE' : 'FAILED' })
}
