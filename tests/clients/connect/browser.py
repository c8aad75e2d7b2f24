#!/usr/bin/env python3
"""Plays the browser of a user: logs in at a gateway, and allows the client.

It stands for the programs that open URLs, such as `xdg-open`. The pages need no scripts.

usage: browser.py URL

The environment has the user name `USER_NAME`, the password `USER_PASSWORD`, and the file
`BROWSER_LOG`, to which the URL that the client receives is appended.
"""

import html
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the caller, who must not follow that to the client too early."""

    def redirect_request(self, *_):
        return None


def fields(page):
    """The hidden fields of the form of a page."""
    inputs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in inputs}


class Browser:
    def __init__(self):
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        proxy = urllib.request.ProxyHandler({})
        self.opener = urllib.request.build_opener(NoRedirect, jar, proxy)

    def visit(self, url, form=None):
        """The URL at which the browser ends, and its page; the page is None for a client."""
        gateway = urllib.parse.urlsplit(url)._replace(path="", query="", fragment="").geturl()
        while True:
            if not url.startswith(gateway + "/"):
                return url, None
            data = urllib.parse.urlencode(form).encode() if form else None
            try:
                response = self.opener.open(urllib.request.Request(url, data), timeout=30)
                page = response.read().decode()
                refresh = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', page)
                if not refresh:
                    return url, page
                url, form = urllib.parse.urljoin(url, html.unescape(refresh[1])), None
            except urllib.error.HTTPError as error:
                location = error.headers.get("location")
                if error.code not in (302, 303) or not location:
                    return url, f"{error.code} {error.read().decode(errors='replace')}"
                url, form = urllib.parse.urljoin(url, location), None


def main():
    browser = Browser()
    url, page = browser.visit(sys.argv[-1])
    if page and 'name="password"' in page:
        login = {"name": os.environ["USER_NAME"], "password": os.environ["USER_PASSWORD"]}
        url, page = browser.visit(urllib.parse.urljoin(url, "/api/auth/login"), fields(page) | login)
    if page and 'name="request"' in page:
        consent = fields(page) | {"decision": "allow"}
        url, page = browser.visit(urllib.parse.urljoin(url, "/api/auth/oauth2/consent"), consent)
    with open(os.environ["BROWSER_LOG"], "a", encoding="utf-8") as log:
        log.write((url if page is None else f"page: {re.sub('<[^>]*>', ' ', page)[-400:]}") + "\n")
    if page is not None:
        sys.exit(1)
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30).read()
    except OSError:
        pass  # The client may close the connection without a response.


if __name__ == "__main__":
    main()
