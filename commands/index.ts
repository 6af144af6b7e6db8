import AppserviceAdd from './appservice/add.ts'
import AppserviceGenerate from './appservice/generate.ts'
import AppserviceList from './appservice/list.ts'
import AppservicePing from './appservice/ping.ts'
import AppserviceRemove from './appservice/remove.ts'
import ConfigCheck from './config/check.ts'
import ConfigInit from './config/init.ts'
import ConfigShow from './config/show.ts'
import CopyDatabase from './copy-database.ts'
import CreateAccount from './create-account.ts'
import EvacuateUser from './evacuate-user.ts'
import FederationCheck from './federation/check.ts'
import GenerateKeys from './generate-keys.ts'
import Migrate from './migrate/index.ts'
import MigrateStatus from './migrate/status.ts'
import Serve from './serve.ts'

/** Every command by its name, as oclif wants them from a bundle. */
export const COMMANDS = {
  serve: Serve,
  'copy-database': CopyDatabase,
  'create-account': CreateAccount,
  'evacuate-user': EvacuateUser,
  'generate-keys': GenerateKeys,
  'appservice:generate': AppserviceGenerate,
  'appservice:add': AppserviceAdd,
  'appservice:list': AppserviceList,
  'appservice:remove': AppserviceRemove,
  'appservice:ping': AppservicePing,
  'federation:check': FederationCheck,
  migrate: Migrate,
  'migrate:status': MigrateStatus,
  'config:init': ConfigInit,
  'config:check': ConfigCheck,
  'config:show': ConfigShow,
}
