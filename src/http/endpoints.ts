import * as dendriteAdmin from './admin/dendrite.ts'
import * as destinations from './admin/destinations.ts'
import * as adminDevices from './admin/devices.ts'
import * as adminMedia from './admin/media.ts'
import * as purgeHistory from './admin/purge-history.ts'
import * as adminQuarantine from './admin/quarantine.ts'
import * as adminRegister from './admin/register.ts'
import * as registrationTokens from './admin/registration-tokens.ts'
import * as reports from './admin/reports.ts'
import * as roomHistory from './admin/room-history.ts'
import * as adminRooms from './admin/rooms.ts'
import * as serverNotices from './admin/server-notices.ts'
import * as statistics from './admin/statistics.ts'
import * as userFacts from './admin/user-facts.ts'
import * as adminUsers from './admin/users.ts'
import * as account from './client/account.ts'
import * as accountData from './client/account-data.ts'
import * as admin from './client/admin.ts'
import * as administrativeContact from './client/administrative-contact.ts'
import { pingAppservice } from './client/appservice-ping.ts'
import { getCapabilities } from './client/capabilities.ts'
import * as crossSigning from './client/cross-signing.ts'
import * as dehydratedDevice from './client/dehydrated-device.ts'
import * as devices from './client/devices.ts'
import * as emailTokens from './client/email-tokens.ts'
import { getEventContext } from './client/event-context.ts'
import * as fallbackPages from './client/fallback-pages.ts'
import { defineFilter, getFilter } from './client/filters.ts'
import * as keyBackup from './client/key-backup.ts'
import * as keys from './client/keys.ts'
import * as login from './client/login.ts'
import { getLoginPage } from './client/login-page.ts'
import * as messagePagination from './client/message-pagination.ts'
import { getMutualRooms } from './client/mutual-rooms.ts'
import { getNotifications } from './client/notifications.ts'
import * as oldSync from './client/old-sync.ts'
import { FAULTY_PUSH_RULE_PATHS, getPushRulesOfKind } from './client/older-push-rules.ts'
import { requestOpenIdToken } from './client/openid.ts'
import * as peeking from './client/peeking.ts'
import * as phoneTokens from './client/phone-tokens.ts'
import * as presence from './client/presence.ts'
import * as profiles from './client/profiles.ts'
import * as pushRules from './client/push-rules.ts'
import * as pushers from './client/pushers.ts'
import { setReadMarker } from './client/read-markers.ts'
import { postReceipt } from './client/receipts.ts'
import * as redaction from './client/redaction.ts'
import { checkUsernameAvailability, register, registrationTokenValidity } from './client/registration.ts'
import * as relations from './client/relations.ts'
import * as reportContent from './client/report-content.ts'
import * as roomCreation from './client/room-creation.ts'
import * as roomDirectory from './client/room-directory.ts'
import * as roomDiscovery from './client/room-discovery.ts'
import { getEventByTimestamp } from './client/room-event-by-timestamp.ts'
import * as roomMembership from './client/room-membership.ts'
import * as roomSend from './client/room-send.ts'
import * as roomUpgrades from './client/room-upgrades.ts'
import * as rooms from './client/rooms.ts'
import { search } from './client/search.ts'
import { slidingSync } from './client/sliding-sync.ts'
import * as ssoLoginRedirect from './client/sso-login-redirect.ts'
import * as ssoSteps from './client/sso-steps.ts'
import { sync } from './client/sync.ts'
import * as thirdPartyLookup from './client/third-party-lookup.ts'
import { getThreadRoots } from './client/threads-list.ts'
import { sendToDevice } from './client/to-device.ts'
import { setTyping } from './client/typing.ts'
import * as unsubscribe from './client/unsubscribe.ts'
import { searchUserDirectory } from './client/user-directory.ts'
import { getVersions } from './client/versions.ts'
import { getTurnServer } from './client/voip.ts'
import * as wellKnown from './client/well-known.ts'
import type { AnyEndpoint } from './endpoint.ts'
import * as federationBackfill from './federation/backfill.ts'
import * as federationContent from './federation/content-repository.ts'
import * as federationEvents from './federation/events.ts'
import * as inviting from './federation/inviting.ts'
import * as joiningRooms from './federation/joining-rooms.ts'
import * as serverKeys from './federation/keys.ts'
import * as knockingRooms from './federation/knocking-rooms.ts'
import * as leavingRooms from './federation/leaving-rooms.ts'
import { exchangeOpenIdToken } from './federation/openid.ts'
import * as federationPublicRooms from './federation/public-rooms.ts'
import * as federationQueries from './federation/queries.ts'
import * as serverInfo from './federation/server-info.ts'
import * as federationSpaces from './federation/spaces.ts'
import * as thirdPartyInvites from './federation/third-party-invites.ts'
import { sendTransaction } from './federation/transactions.ts'
import { getUserDevices } from './federation/user-devices.ts'
import * as userKeys from './federation/user-keys.ts'
import * as contentRepo from './media/content-repo.ts'
import * as urlPreviews from './media/url-previews.ts'
import * as oauthAccount from './oauth/account.ts'
import * as authorization from './oauth/authorization.ts'
import { registerOAuthClient } from './oauth/clients.ts'
import { answerForConsent } from './oauth/consent.ts'
import * as oauthDevice from './oauth/device.ts'
import { getAuthMetadata } from './oauth/metadata.ts'
import { getOAuthSignUp, submitOAuthSignUp } from './oauth/sign-up.ts'
import { getOAuthTokens, revokeOAuthToken } from './oauth/token.ts'

const ALL_BUT_VERSIONS = [
  register,
  ...Object.values(adminMedia),
  ...Object.values(adminQuarantine),
  ...Object.values(adminRegister),
  ...Object.values(serverNotices),
  ...Object.values(reports),
  ...Object.values(adminUsers),
  ...Object.values(userFacts),
  ...Object.values(purgeHistory),
  ...Object.values(roomHistory),
  ...Object.values(destinations),
  ...Object.values(statistics),
  ...Object.values(adminDevices),
  ...Object.values(adminRooms),
  ...Object.values(dendriteAdmin),
  ...Object.values(registrationTokens),
  checkUsernameAvailability,
  registrationTokenValidity,
  login.getLoginFlows,
  login.login,
  login.refresh,
  login.logout,
  login.logoutAll,
  login.generateLoginToken,
  ...Object.values(ssoLoginRedirect),
  ...Object.values(ssoSteps),
  getLoginPage,
  ...Object.values(fallbackPages),
  ...Object.values(emailTokens),
  ...Object.values(unsubscribe),
  ...Object.values(phoneTokens),
  ...Object.values(administrativeContact),
  ...Object.values(account),
  ...Object.values(admin),
  requestOpenIdToken,
  exchangeOpenIdToken,
  getAuthMetadata,
  registerOAuthClient,
  ...Object.values(authorization),
  ...Object.values(oauthAccount),
  ...Object.values(oauthDevice),
  getOAuthSignUp,
  submitOAuthSignUp,
  answerForConsent,
  getOAuthTokens,
  revokeOAuthToken,
  ...Object.values(wellKnown),
  getTurnServer,
  pingAppservice,
  ...Object.values(thirdPartyLookup),
  getMutualRooms,
  searchUserDirectory,
  search,
  accountData.getAccountData,
  accountData.setGlobalAccountData,
  accountData.getAccountDataPerRoom,
  accountData.setAccountDataPerRoom,
  accountData.getRoomTags,
  accountData.setRoomTag,
  accountData.deleteRoomTag,
  getCapabilities,
  ...Object.values(devices),
  ...Object.values(dehydratedDevice),
  ...Object.values(keyBackup),
  ...Object.values(keys),
  ...Object.values(crossSigning),
  defineFilter,
  getFilter,
  ...Object.values(profiles),
  ...Object.values(pushRules),
  ...Object.values(pushers),
  getPushRulesOfKind,
  ...FAULTY_PUSH_RULE_PATHS,
  ...Object.values(roomCreation),
  ...Object.values(roomDirectory),
  ...Object.values(roomDiscovery),
  ...Object.values(roomUpgrades),
  ...Object.values(roomMembership),
  ...Object.values(roomSend),
  ...Object.values(redaction),
  ...Object.values(rooms),
  ...Object.values(messagePagination),
  getNotifications,
  ...Object.values(oldSync),
  ...Object.values(peeking),
  ...Object.values(presence),
  getEventContext,
  ...Object.values(relations),
  getThreadRoots,
  ...Object.values(reportContent),
  getEventByTimestamp,
  postReceipt,
  setReadMarker,
  sendToDevice,
  setTyping,
  sync,
  slidingSync,
  ...Object.values(serverInfo),
  ...Object.values(serverKeys),
  ...Object.values(federationQueries),
  ...Object.values(federationPublicRooms),
  ...Object.values(federationSpaces),
  ...Object.values(federationEvents),
  ...Object.values(federationBackfill),
  joiningRooms.makeJoin,
  joiningRooms.sendJoin,
  joiningRooms.sendJoinV1,
  ...Object.values(inviting),
  ...Object.values(leavingRooms),
  ...Object.values(knockingRooms),
  ...Object.values(thirdPartyInvites),
  sendTransaction,
  ...Object.values(contentRepo),
  ...Object.values(urlPreviews),
  ...Object.values(federationContent),
  getUserDevices,
  ...Object.values(userKeys),
] as unknown as readonly AnyEndpoint[]

const served = new Set(ALL_BUT_VERSIONS.map(({ method, path }) => `${method} ${path}`))

/** Every endpoint that is served. Whatever is not here answers 404 `M_UNRECOGNIZED`. */
export const ENDPOINTS = [getVersions(served), ...ALL_BUT_VERSIONS] as unknown as readonly AnyEndpoint[]
