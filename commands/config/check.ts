import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'

export default class ConfigCheck extends BaseCommand {
  static override summary = 'Find mistakes in the configuration.'
  static override description = 'Exits 78 for mistakes, all of which are listed; with --strict 1 for warnings.'
  static override examples = ['<%= config.bin %> <%= command.id %> --config dendrite.yaml --strict']

  static override flags = {
    dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }),
    strict: Flags.boolean({ summary: 'Unknown keys and keys without effect are failures.' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(ConfigCheck)
    const { file, warnings } = await this.loadConfig({ file: flags.config, dir: flags.dir })
    this.log(`${file} is valid${warnings.length === 0 ? '' : `, with ${warnings.length} warnings`}`)
    if (flags.strict && warnings.length > 0) process.exitCode = EXIT.failed
    return { file, valid: true, warnings }
  }
}
