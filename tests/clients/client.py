"""Plays scripts against an MCP server, and prints what a client sees, as one line of JSON.

usage: client.py URL TOKEN legacy|modern SCRIPTS

SCRIPTS is JSON: the scripts by name, each with `steps`, with what the client `declares` unless that
is everything, and with the notifications that it `hears` unless these are all. There, `questions`
stands for all that the server asks. Runs with both generations of the Python SDK; the first knows `legacy` alone.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import mcp.types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

try:
    import httpx2 as httpx
    from mcp import Client
    from mcp.shared.exceptions import MCPError as McpError
except ImportError:
    import httpx
    from mcp.shared.exceptions import McpError

    Client = None

# Nothing that a script waits for takes so long, unless it never comes.
DEADLINE = 15
FORMATS = {"date": "2026-01-02", "email": "me@example.com", "uri": "https://example.com/"}
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


def plain(value):
    """The JSON of a value of the SDK."""
    return value.model_dump(by_alias=True, mode="json", exclude_none=True)


def filled(schema):
    """What a person enters into a form of `schema`."""

    def entry(name, field):
        if "default" in field:
            return field["default"]
        options = field.get("enum") or [one["const"] for one in field.get("oneOf", [])]
        if options:
            return options[0]
        if field["type"] == "array":
            items = field["items"]
            return [(items.get("enum") or [one["const"] for one in items["anyOf"]])[0]]
        known = {"boolean": True, "integer": 7, "number": 1.5}
        return known.get(field["type"]) or FORMATS.get(field.get("format"), f"my {name}")

    return {name: entry(name, field) for name, field in schema["properties"].items()}


class Transcript:
    """What the client of a step sees, and what it says to it."""

    def __init__(self, hears):
        self.begin({})
        self.hears = hears
        self.level = None
        self.more = asyncio.Event()

    def begin(self, step):
        self.step, self.notifications, self.questions = step, [], []

    def end(self, outcome):
        # Several questions of one round may be asked in any order.
        questions = sorted(self.questions, key=lambda question: json.dumps(question, sort_keys=True))
        if self.hears is not None and "questions" not in self.hears:
            questions = []
        seen = {"notifications": self.notifications, "questions": questions}
        return {name: value for name, value in (seen | outcome).items() if value}

    async def notified(self, message):
        if isinstance(message, Exception):
            return
        notification = plain(message)
        if self.hears is not None and notification["method"] not in self.hears:
            return
        params = notification.get("params") or {}
        params.pop("_meta", None)
        if "progressToken" in params:
            params["progressToken"] = "token"
        self.notifications.append({"method": notification["method"], "params": params})
        self.more.set()

    async def elicit(self, _context, params):
        params = plain(params)
        params.pop("_meta", None)
        params.pop("requestState", None)
        self.questions.append(params)
        answer = {"action": self.step.get("action", "accept")}
        if answer["action"] == "accept" and "requestedSchema" in params:
            answer["content"] = filled(params["requestedSchema"])
        return types.ElicitResult.model_validate(answer)

    async def sample(self, _context, params):
        params = plain(params)
        params.pop("_meta", None)
        self.questions.append(params)
        content = {"type": "text", "text": "what the model says"}
        answer = {"role": "assistant", "content": content, "model": "m", "stopReason": "endTurn"}
        return types.CreateMessageResult.model_validate(answer)

    async def roots(self, _context):
        self.questions.append("roots")
        roots = [{"uri": "file:///work", "name": "work"}]
        return types.ListRootsResult.model_validate({"roots": roots})

    def callbacks(self, declared):
        known = {
            "elicitation": ("elicitation_callback", self.elicit),
            "sampling": ("sampling_callback", self.sample),
            "roots": ("list_roots_callback", self.roots),
        }
        callbacks = dict(known[name] for name in declared)
        return callbacks | {"message_handler": self.notified}


@asynccontextmanager
async def connected(url, token, era, callbacks, attended):
    """A client, and what the server says about itself.

    Sets `attended` once there is a stream for what belongs to no request.
    """

    async def responded(response):
        if response.request.method == "GET" and response.is_success:
            attended.set()

    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {token}"}
        hooks = {"response": [responded]}
        http = httpx.AsyncClient(headers=headers, timeout=60, event_hooks=hooks)
        http = await stack.enter_async_context(http)
        transport = streamable_http_client(url, http_client=http)
        if Client:
            mode = "legacy" if era == "legacy" else "auto"
            client = Client(transport, mode=mode, cache=None, **callbacks)
            client = await stack.enter_async_context(client)
            server = {
                "protocolVersion": client.protocol_version,
                "capabilities": plain(client.server_capabilities),
                "instructions": client.instructions,
            }
            yield client, server
        else:
            read, write, _ = await stack.enter_async_context(transport)
            client = await stack.enter_async_context(ClientSession(read, write, **callbacks))
            server = plain(await client.initialize())
            server.pop("serverInfo")
            yield client, server


class Player:
    """Plays the steps of one script."""

    def __init__(self, client, server, era, transcript, attended):
        self.client, self.server, self.modern = client, server, era == "modern"
        self.transcript, self.streams = transcript, AsyncExitStack()
        self.attended = attended

    async def play(self, step):
        self.transcript.begin(step)
        try:
            result = await asyncio.wait_for(getattr(self, step["do"])(step), DEADLINE)
            outcome = {"result": result}
        except McpError as error:
            outcome = {"error": plain(error.error)}
        except (asyncio.TimeoutError, TimeoutError):
            outcome = {"error": "no answer"}
        except (AttributeError, KeyError, NameError, TypeError):
            raise
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {error}"}
        return self.transcript.end(outcome)

    async def hello(self, _step):
        return self.server

    async def list(self, step):
        method = getattr(self.client, f"list_{step['what']}")
        key = {"resource_templates": "resourceTemplates"}.get(step["what"], step["what"])
        pages, items, cursor = [], [], None
        while True:
            if cursor is None:
                page = await method()
            elif Client:
                page = await method(cursor=cursor)
            else:
                page = await method(params=types.PaginatedRequestParams(cursor=cursor))
            page = plain(page)
            items += page.pop(key)
            cursor = page.pop("nextCursor", None)
            pages.append(page)
            if cursor is None:
                return pages[0] | {key: items}

    async def call(self, step):
        options = {}
        if step.get("progress"):

            async def ignore(*_progress):
                pass

            options["progress_callback"] = ignore
        if self.modern and self.transcript.level:
            options["meta"] = {LOG_LEVEL: self.transcript.level}
        result = await self.client.call_tool(step["name"], step.get("arguments", {}), **options)
        # In the legacy era, notifications may come after the result.
        while len(self.transcript.notifications) < step.get("heard", 0):
            self.transcript.more.clear()
            await self.transcript.more.wait()
        return plain(result)

    async def read(self, step):
        return plain(await self.client.read_resource(step["uri"]))

    async def get(self, step):
        return plain(await self.client.get_prompt(step["name"], step.get("arguments")))

    async def complete(self, step):
        reference = {"ref/prompt": types.PromptReference}.get(
            step["ref"]["type"], types.ResourceTemplateReference
        )
        reference = reference.model_validate(step["ref"])
        return plain(await self.client.complete(reference, step["argument"]))

    async def level(self, step):
        """Says which log messages the client wants to see from now on."""
        self.transcript.level = step["level"]
        if not self.modern:
            await self.client.set_logging_level(step["level"])

    async def listen(self, step):
        """Asks for changes of the lists and of a resource."""
        uri = step.get("uri")
        if self.modern:
            lists = ("tools", "prompts", "resources")
            wanted = {f"{name}_list_changed": True for name in lists if not uri}
            uris = [uri] if uri else []
            stream = self.client.listen(resource_subscriptions=uris, **wanted)
            await self.streams.enter_async_context(stream)
            return
        await self.attended.wait()
        if uri:
            await self.client.subscribe_resource(uri)

    async def change(self, step):
        """Calls a tool, and waits for the notification that it brings about."""
        self.transcript.more.clear()
        result = await self.client.call_tool(step["name"], step.get("arguments", {}))
        await self.transcript.more.wait()
        return None if result is None else {"notified": True}

    async def cancel(self, step):
        """Calls a tool, and gives up once it has said how far it is."""
        begun = asyncio.Event()

        async def progress(*_progress):
            begun.set()

        # Where the SDK does not say so itself, this is the request that is not wanted any more.
        request = getattr(self.client, "_request_id", None)
        call = self.client.call_tool(
            step["name"], step.get("arguments", {}), progress_callback=progress
        )
        call = asyncio.ensure_future(call)
        await begun.wait()
        call.cancel()
        await asyncio.wait([call])
        self.transcript.notifications = []
        if not Client:
            params = types.CancelledNotificationParams(requestId=request)
            cancelled = types.CancelledNotification(params=params)
            await self.client.send_notification(types.ClientNotification(cancelled))
        return {"cancelled": call.cancelled()}

    async def settled(self, step):
        """Calls a tool that counts calls, until none of those it counts is going on any more."""
        while True:
            counts = (await self.call(step))["structuredContent"]
            if counts["started"] == counts["finished"] + counts["cancelled"]:
                # How far the calls have come until then differs from time to time.
                self.transcript.notifications = []
                return counts


async def play(url, token, era, script):
    transcript, attended = Transcript(script.get("hears")), asyncio.Event()
    callbacks = transcript.callbacks(script.get("declares", ["elicitation", "sampling", "roots"]))
    async with connected(url, token, era, callbacks, attended) as (client, server):
        player = Player(client, server, era, transcript, attended)
        async with player.streams:
            return [await player.play(step) for step in script["steps"]]


async def main():
    url, token, era, scripts = sys.argv[1:]
    scripts = json.loads(scripts)
    print(json.dumps({name: await play(url, token, era, scripts[name]) for name in scripts}))


asyncio.run(main())
