import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'

export default class AppserviceAdd extends BaseCommand {
  static override summary = 'Register an application service.'
  static override description =
    'Checks its file beside those that are registered, and names it in the configuration, which keeps its comments. ' +
    'The server has it from its next start on. Exits 4 when it is registered already, 78 when it cannot be.'

  static override examples = ['<%= config.bin %> <%= command.id %> registration.yaml']

  static override args = { file: Args.string({ description: 'Registration, in YAML.', required: true }) }

  static override flags = {
    'dry-run': Flags.boolean({ summary: 'Check it and change nothing; exit code 10.' }),
    dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags, args } = await this.parse(AppserviceAdd)
    const loaded = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { addConfigFile, registrationToAdd } = await import('../../src/cli/appservices.ts')
    const { id, file } = await registrationToAdd(loaded, args.file)
    if (flags['dry-run']) {
      this.log(`${file} can be registered`)
      process.exitCode = EXIT.changesPending
      return { id, file, added: false }
    }
    addConfigFile(loaded, file)
    this.log(`registered ${id} in ${loaded.file}`)
    this.note('Restart the server, so that it has it.')
    return { id, file, added: true }
  }
}
