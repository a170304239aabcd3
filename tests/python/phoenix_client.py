"""The client phoenix-channels-python-client against a rooms server: python phoenix_client.py WS_URL VSN

WS_URL is like ws://127.0.0.1:4000/socket, VSN 2.0 or 1.0. Prints `ok NAME` for each check and `OK` at the end. Where the
server has to restart, it prints `RESTART` and waits for the line `RESTARTED`: whoever started this owns the server.

The client joins, leaves, listens and reconnects; for pushes it has no call of its own, so `Room.push` writes them with
its protocol handler, and their replies come to the message handler. Joins have no payload.
"""

import asyncio
import os
import sys
import time

from phoenix_channels_python_client import PHXChannelsClient, ReconnectPolicy
from phoenix_channels_python_client.exceptions import PHXConnectionError, PHXTopicError
from phoenix_channels_python_client.utils import make_message

LIMIT_S = 20  # how long to wait for anything; only a failure takes that long
UNIQUE = os.getpid()  # topics of this run
AT_ONCE = {
    "base_delay_s": 0.05,
    "max_delay_s": 0.05,
    "service_restart_min_delay_s": 0,
    "service_restart_max_delay_s": 0,
    "rapid_first_min_delay_s": 0,
    "rapid_second_min_delay_s": 0,
    "rapid_cooldown_base_s": 0,
    "rapid_cooldown_step_s": 0,
    "rapid_suppress_disconnect_count": 0,
}


async def main(url, vsn):
    # With vsn 2 this client drops what has no join_ref: broadcasts, and the answer to a join of an unknown topic, which
    # have none from Phoenix either.
    hears_all = vsn == "1.0"
    lost, acks, reconnects = [], [], []

    async def on_lost(topic, error):
        lost.append((topic, str(error)))

    async def on_reconnect():
        reconnects.append(True)

    def client(query="", **options):
        return PHXChannelsClient(
            f"{url}/websocket{query}",
            "any key",
            protocol_version=vsn,
            join_timeout_s=LIMIT_S,
            leave_timeout_s=LIMIT_S,
            reconnect_policy=ReconnectPolicy(**AT_ONCE),
            **options,
        )

    async def refused(call):
        try:
            await call
        except (PHXTopicError, PHXConnectionError) as error:
            return str(error)
        raise AssertionError("it was not refused")

    async with (
        client(on_topic_lost=on_lost, on_reconnect=on_reconnect) as alice,
        client() as bob,
    ):
        topic = f"room:{UNIQUE}"
        room, bobs_room = Room(alice, topic), Room(bob, topic)

        async with check("join"):
            await room.join()
            await bobs_room.join()
            assert alice.is_topic_joined(topic)

        async with check("join refused"):
            assert await refused(alice.subscribe_to_topic("presence:a")) == "user required"
            if hears_all:
                assert await refused(alice.subscribe_to_topic("nosuch:topic")) == "unmatched topic"

        async with check("connect refused"):
            assert "403" in await refused(client("?refuse=1").__aenter__())

        async with check("push ok"):
            payload = {"clé": ["ünïcødé", "🎶", None, 1.5, {"deep": [[]]}], "text": "l'été \u2028 \x00 \\ \""}
            assert await room.push("ping", payload) == ("ok", payload)
            assert await room.push("ack") == ("ok", {})
            assert await room.push("defer", {"ms": 30}) == ("ok", {})

        async with check("push error"):
            assert await room.push("fail") == ("error", {"reason": "nope"})
            assert await room.push("no such event") == ("error", {"reason": "unmatched event"})

        async with check("pushes from the server, in order with the reply"):
            assert await room.push("later", {"n": 1}) == ("ok", {"n": 1})
            await room.push("ack")
            assert room.events("before", "phx_reply", "after")[-4:-1] == ["before", "phx_reply", "after"]

        async with check("an event has a handler of its own"):
            got = asyncio.Queue()
            alice.add_event_handler(topic, "pushed", got.put)
            await room.push("push", {"n": 2}, reply=False)
            assert await asyncio.wait_for(got.get(), LIMIT_S) == {"n": 2}

        if hears_all:
            async with check("a broadcast reaches everybody, one from me everybody else, in order"):
                for n in range(100):
                    await room.push("new_msg", {"n": n}, reply=False)
                await room.push("from", {"n": 100}, reply=False)
                await until("all of it", lambda: len(bobs_room.payloads("from")) == 1)
                await room.push("ack")
                for one in room, bobs_room:
                    assert one.payloads("new_msg") == [{"n": n} for n in range(100)]
                assert room.payloads("from") == []

        async with check("leave, and join again"):
            other = Room(alice, f"room:leave {UNIQUE}")
            await other.join()
            await alice.unsubscribe_from_topic(other.topic)
            assert not alice.is_topic_joined(other.topic)
            await other.join()
            assert await other.push("count") == ("ok", {"count": 1})

        async with check("a crash is an error, and the client joins again by itself"):
            for event in "crash", "stop_abnormal":
                await room.push(event, reply=False)
                await until("the crash", lambda: not alice.is_topic_joined(topic))
                await until("the join", lambda: alice.is_topic_joined(topic))
                assert await room.push("ping", {"after": event}) == ("ok", {"after": event})

        async with check("a channel that the server stops is lost"):
            other = Room(alice, f"room:stop {UNIQUE}")
            await other.join()
            await other.push("stop", reply=False)
            await until("the loss", lambda: lost)
            assert lost[0][0] == other.topic, lost

        async with check("heartbeats are answered"):
            async with client(heartbeat_interval_s=0.05, on_heartbeat_ack=lambda: acks.append(True)):
                await until("three answers", lambda: len(acks) >= 3)

        async with check("dropped by the server: back by itself"):
            await room.push("drop", reply=False)
            await until("the reconnect", lambda: reconnects)
            assert await room.push("ack") == ("ok", {})

        async with check("a server restart: everybody is back, joined"):
            before = len(reconnects)
            say("RESTART")
            assert (await asyncio.to_thread(sys.stdin.readline)).strip() == "RESTARTED"
            await until("the reconnect", lambda: len(reconnects) > before)
            await until("the joins", lambda: alice.is_topic_joined(topic) and bob.is_topic_joined(topic))
            assert await room.push("count") == ("ok", {"count": 2})
            if hears_all:
                await bobs_room.push("new_msg", {"after": "restart"}, reply=False)
                await until("the broadcast", lambda: {"after": "restart"} in room.payloads("new_msg"))

    say("OK")


class Room:
    """A topic as one client sees it."""

    def __init__(self, client, topic):
        self.client, self.topic, self.seen, self.pushes = client, topic, [], 0

    async def join(self):
        async def keep(message):
            self.seen.append(message)

        await self.client.subscribe_to_topic(self.topic, keep)

    async def push(self, event, payload=None, *, reply=True):
        """Pushes; gives the reply's status and response."""
        self.pushes += 1
        ref = f"push {self.pushes}"
        join_ref = self.client.get_current_subscriptions()[self.topic].join_ref
        message = make_message(event, self.topic, ref, payload, join_ref)
        await self.client.get_protocol_handler().send_message(self.client.connection, message)
        if not reply:
            return None
        found = await until(f"the reply to {event}", lambda: [m for m in self.seen if m.ref == ref])
        assert [str(m.event) for m in found] == ["phx_reply"], found
        return found[0].payload["status"], found[0].payload["response"]

    def events(self, *wanted):
        return [str(m.event) for m in self.seen if str(m.event) in wanted]

    def payloads(self, event):
        return [m.payload for m in self.seen if m.event == event]


class check:
    """One named check."""

    def __init__(self, name):
        self.name = name

    async def __aenter__(self):
        return self

    async def __aexit__(self, _type, error, _trace):
        if error:
            error.add_note(f"FAILED {self.name}")
        else:
            say(f"ok {self.name}")


async def until(what, look):
    """Waits until `look()` gives something true, and gives that."""
    end = time.monotonic() + LIMIT_S
    while not (seen := look()):
        assert time.monotonic() < end, f"waited {LIMIT_S} s in vain for: {what}"
        await asyncio.sleep(0.01)
    return seen


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
