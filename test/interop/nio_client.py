"""A client by matrix-nio: joins rooms that it is invited to, tells each text it can read, and answers the first.

Arguments: base URL, user id, device id, access token, a directory for its keys. Says on standard output, one JSON
object a line, {"joined": room} and {"read": text, "encrypted": whether it was}.
"""
import asyncio
import json
import sys

from nio import AsyncClient, AsyncClientConfig, InviteMemberEvent, MegolmEvent, RoomMessageText


def say(**what):
    print(json.dumps(what), flush=True)


async def main(url, user_id, device_id, token, store):
    config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
    client = AsyncClient(url, user_id, device_id, store_path=store, config=config)
    client.restore_login(user_id, device_id, token)
    answered = False

    async def invited(room, event):
        if event.state_key != user_id or event.membership != "invite":
            return
        await client.join(room.room_id)
        say(joined=room.room_id)

    async def read(room, event):
        nonlocal answered
        if event.sender == user_id:
            return
        say(read=event.body, encrypted=event.decrypted)
        if answered:
            return
        answered = True
        content = {"msgtype": "m.text", "body": f"matrix-nio read: {event.body}"}
        await client.room_send(room.room_id, "m.room.message", content, ignore_unverified_devices=True)

    async def unreadable(_room, event):
        say(unreadable=event.event_id)

    client.add_event_callback(invited, InviteMemberEvent)
    client.add_event_callback(read, RoomMessageText)
    client.add_event_callback(unreadable, MegolmEvent)
    await client.sync_forever(timeout=30_000, full_state=True)


asyncio.run(main(*sys.argv[1:]))
