"""A browser without scripts: cookies, redirects and forms."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

from wire import Failure

REFUSING = ("cancel", "deny", "reject", "refuse", "abort", "no", "logout")
TYPED = ("text", "email", "password", "")


class Page(HTMLParser):
    """A document, with its title and its forms."""

    def __init__(self, url, status, text):
        super().__init__()
        self.url, self.status, self.text = url, status, text
        self.title, self.forms, self.in_title = "", [], False
        self.feed(text)

    def handle_starttag(self, tag, pairs):
        attributes = {name: value or "" for name, value in pairs}
        self.in_title = tag == "title"
        if tag == "form":
            self.forms.append((attributes, []))
        elif tag in ("input", "button") and self.forms:
            self.forms[-1][1].append((tag, attributes))

    def handle_endtag(self, tag):
        self.in_title = False

    def handle_data(self, data):
        if self.in_title:
            self.title += data.strip()


class Browser:
    """The browser of one person."""

    def __init__(self):
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, url):
        return self.open(urllib.request.Request(url))

    def post(self, url, fields):
        request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode())
        origin = urllib.parse.urlsplit(url)
        request.add_header("origin", f"{origin.scheme}://{origin.netloc}")
        request.add_header("sec-fetch-site", "same-origin")
        return self.open(request)

    def open(self, request):
        request.add_header("accept", "text/html")
        try:
            response = self.opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read().decode(errors="replace")
            return Page(response.url, response.status, text)

    def submit(self, page, typed):
        """Fills in the last form of a page and sends it, with the button that agrees.

        `typed` are texts for inputs, by their names or types.
        """
        if not page.forms:
            raise Failure(f"page without a form: {page.status} {page.url} {page.text[:300]!r}")
        attributes, inputs = page.forms[-1]
        fields, buttons = [], []
        for tag, it in inputs:
            kind, name = it.get("type", "").lower(), it.get("name", "")
            if tag == "button" or kind == "submit":
                buttons.append((name, it.get("value", "")))
            elif name and (kind == "hidden" or it.get("value") and kind not in ("checkbox", "radio")):
                fields.append((name, it.get("value", "")))
            elif name and kind in TYPED:
                fields.append((name, typed.get(name, typed.get(kind, typed["name"]))))
        agreeing = [(n, v) for n, v in buttons if n and v.lower() not in REFUSING]
        fields += agreeing[:1]
        action = urllib.parse.urljoin(page.url, attributes.get("action") or page.url)
        if attributes.get("method", "get").lower() == "get":
            return self.get(f"{action}?{urllib.parse.urlencode(fields)}")
        return self.post(action, fields)

    def walk(self, url, end, typed):
        """Opens `url` and sends forms until there is a page whose address begins with `end`."""
        page = self.get(url)
        for _ in range(8):
            if page.url.startswith(end) or page.status >= 400:
                return page
            page = self.submit(page, typed)
        raise Failure(f"the login does not end: {page.url}")
