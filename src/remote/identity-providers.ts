import type { Config } from '../config/schema.ts'
import { createCas } from './cas.ts'
import type { IdentityProvider, ProviderConfig } from './identity-provider.ts'
import { createOpenIdConnect } from './openid-connect.ts'
import type { Outbound } from './outbound.ts'

export type IdentityProviders = ReadonlyMap<string, IdentityProvider>

/** The providers of the configuration, by id. Nothing is asked of them until somebody logs in. */
export function createIdentityProviders({ client_api: { sso } }: Config, outbound: Outbound): IdentityProviders {
  const open = (provider: ProviderConfig) =>
    provider.type === 'cas'
      ? createCas(provider, outbound, sso.timeout)
      : createOpenIdConnect(provider, outbound, sso.timeout)
  return new Map(sso.providers.map((provider) => [provider.id, open(provider)]))
}
