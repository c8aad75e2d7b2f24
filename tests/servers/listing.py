"""What a server lists to a client of either era."""

from wire import Failure, RpcError

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
CLIENT = {"name": "servers", "version": "1.0.0"}
PREFIX = "io.modelcontextprotocol/"
META = {
    PREFIX + "protocolVersion": MODERN,
    PREFIX + "clientInfo": CLIENT,
    PREFIX + "clientCapabilities": {},
}
# The methods, each with the member of its result.
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
PAGES = 100


class Client:
    """A client of one era on an open transport."""

    def __init__(self, transport, era, limit):
        self.transport, self.era, self.limit = transport, era, limit

    def params(self, **params):
        return {**params, "_meta": META} if self.era == "modern" else params

    def begin(self):
        """Initializes a legacy session, or discovers a modern server."""
        if self.era == "legacy":
            params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
            version = self.transport.request("initialize", params, self.limit)["protocolVersion"]
            self.transport.version = version
            self.transport.notify("notifications/initialized")
            return version
        self.transport.version = MODERN
        found = self.transport.request("server/discover", self.params(), self.limit)
        if MODERN not in found.get("supportedVersions", []):
            raise Failure("supportedVersions without " + MODERN)
        return MODERN

    def pages(self, method, member):
        """All entries of a list."""
        entries, cursor = [], {}
        for _ in range(PAGES):
            page = self.transport.request(method, self.params(**cursor), self.limit)
            entries += page.get(member) or []
            if page.get("nextCursor") is None:
                return entries
            cursor = {"cursor": page["nextCursor"]}
        raise Failure(f"{method} has more than {PAGES} pages")

    def lists(self):
        """All lists. A list that the server rejects is empty, as a server without it is."""
        found = {}
        for method, member in LISTS.items():
            try:
                found[member] = self.pages(method, member)
            except RpcError:
                found[member] = []
        return found
