"""canaille with the users `alice` and `bob`, on SQLite.

usage: canaille_server.py PORT URL FOLDER LIFETIME
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import canaille
from canaille.app import models
from canaille.backends import Backend
from canaille.oidc.jose import make_default_rsa_jwk
from canaille.oidc.provider import setup_oauth

port, url, folder, lifetime = sys.argv[1:]
keys = Path(folder) / "keys.json"
if not keys.exists():
    keys.write_text(json.dumps(make_default_rsa_jwk().as_dict(private=True)))
config = {
    "SECRET_KEY": "secret",
    "SERVER_NAME": urlsplit(url).netloc,
    "PREFERRED_URL_SCHEME": "http",
    "CANAILLE": {"FORCE_HTTPS": False, "JAVASCRIPT": False},
    "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder}/canaille.db"},
    "CANAILLE_OIDC": {
        "DYNAMIC_CLIENT_REGISTRATION_OPEN": True,
        "REQUIRE_NONCE": False,
        "ACTIVE_JWKS": [json.loads(keys.read_text())],
    },
}
app = canaille.create_app(config)
grants = ("authorization_code", "refresh_token")
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {grant: int(lifetime) for grant in grants}
with app.app_context():
    setup_oauth(app)
    Backend.instance.install(app)
    with Backend.instance.session():
        for name in ("alice", "bob"):
            if not Backend.instance.get(models.User, user_name=name):
                user = models.User(
                    user_name=name,
                    formatted_name=name,
                    family_name=name,
                    emails=[f"{name}@example.com"],
                    password="password",
                )
                Backend.instance.save(user)
app.run("127.0.0.1", int(port), threaded=True)
