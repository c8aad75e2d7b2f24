"""The steps of the trial of one authorization server. Each returns what the table says."""

import time

from house import ERAS, at_once
from wire import Failure

PARALLEL = 20
ROUNDS = 3
# Failures of a provider delay its next refresh by up to a minute.
RECOVERY = 90


def right(person, outcome):
    """Fails unless a call was made with the account of `person`."""
    if outcome.is_error or outcome.text != person.name:
        raise Failure(f"{person.name}: {outcome.text[:300]}")


class Trial:
    """A provider, behind a gateway with two people."""

    def __init__(self, provider, people):
        self.provider, self.recorder, self.people = provider, provider.recorder, people
        self.alice, self.bob = people

    def expire(self, *callers):
        """Waits until the access tokens of the next callers have expired, or are about to."""
        time.sleep(self.provider.pause)
        for person in self.people:
            if self.provider.ends_idle and person not in callers:
                person.call()

    def refreshed(self, count, act):
        """Fails unless `act` causes `count` refreshes. Returns the refresh tokens presented."""
        before = len(self.recorder.refreshes())
        act()
        refreshes = self.recorder.refreshes()[before:]
        if failed := [it.answer for it in refreshes if "error" in it.answer]:
            raise Failure(f"refresh rejected: {failed[0]}")
        if len(refreshes) != count:
            raise Failure(f"{len(refreshes)} refreshes instead of {count}")
        return [it.form["refresh_token"] for it in refreshes]

    def link(self, person):
        """The link of a failed call."""
        outcome = person.call()
        if outcome.link is None:
            raise Failure(f"no link: {outcome.text[:300]}")
        return outcome.link

    def connect(self, person):
        person.connect(self.link(person), self.provider.typed(person.name))

    def login(self):
        for person in self.people:
            self.connect(person)
        return "yes"

    def registration(self):
        if self.provider.client:
            return "pre-registered"
        count = self.recorder.registrations
        if count != 1:
            raise Failure(f"{count} registrations of two people")
        return "dynamic, one"

    def calls(self):
        for person in self.people:
            for era in ERAS:
                right(person, person.call(era=era))
        return "own account"

    def refresh(self):
        self.expire(self.alice)
        self.refreshed(1, lambda: right(self.alice, self.alice.call()))
        return "yes"

    def rotation(self):
        presented = []
        for _ in range(ROUNDS):
            self.expire(self.alice)
            presented += self.refreshed(1, lambda: right(self.alice, self.alice.call()))
        if len(set(presented)) == len(presented):
            return "each time"
        if len(set(presented)) == 1:
            return "never"
        raise Failure("a refresh token was presented twice after its rotation")

    def parallel(self):
        def act():
            for outcome in at_once(clients):
                right(self.alice, outcome)

        clients = [self.alice.new_client("modern") for _ in range(PARALLEL)]
        self.expire(self.alice)
        self.refreshed(1, act)
        return "1 refresh"

    def outage(self):
        self.expire(*self.people)
        before = len(self.recorder.refreshes())
        self.recorder.down = True
        try:
            for person in self.people:
                outcome = person.call()
                if outcome.link or not (outcome.is_error or outcome.text == person.name):
                    raise Failure(f"{person.name}: {outcome.text[:300]}")
        finally:
            self.recorder.down = False
        for person in self.people:
            self.recovers(person)
        # The outage has delayed the refreshes without which these accounts end.
        while self.provider.ends_idle and len(self.recorder.refreshes()) < before + 2:
            time.sleep(1)
            for person in self.people:
                right(person, person.call())
        return "recovers"

    def recovers(self, person):
        """Waits until calls of `person` work. Fails if they lead to a login."""
        end = time.monotonic() + RECOVERY
        while (outcome := person.call()).is_error:
            if outcome.link or time.monotonic() > end:
                raise Failure(f"{person.name}: {outcome.text[:300]}")
            time.sleep(1)
        right(person, outcome)

    def restart(self):
        self.expire(*self.people)
        self.provider.restart()
        if self.provider.keeps_state:
            for person in self.people:
                self.recovers(person)
            return "accounts stay"
        for person in self.people:
            self.connect(person)
            right(person, person.call())
        return "state in memory: new login"

    def last_tokens(self, person):
        """The exchange with the newest tokens of `person`."""
        self.expire(person)
        right(person, person.call())
        return self.recorder.tokens()[-1]

    def revoked_there(self):
        if not self.provider.has_revocation:
            return "not supported by this provider"
        endpoint = self.provider.metadata()["revocation_endpoint"]
        last = self.last_tokens(self.alice)
        token = last.answer.get("refresh_token") or last.form["refresh_token"]
        form = {name: last.form[name] for name in ("client_id", "client_secret") if name in last.form}
        path = self.provider.path(endpoint)
        status = self.recorder.post(path, last.headers, {**form, "token": token})
        if status == 400:
            # The Python SDK requires the parameter of public clients as well.
            form = {"client_secret": "", **form, "token": token}
            status = self.recorder.post(path, last.headers, form)
        if status != 200:
            raise Failure(f"the provider answers a revocation with {status}")
        self.expire(*self.people)
        link = self.link(self.alice)
        self.recovers(self.bob)
        self.alice.connect(link, self.provider.typed(self.alice.name))
        right(self.alice, self.alice.call())
        return "link, then works"

    def disconnect(self):
        last = self.last_tokens(self.bob)
        token = last.answer.get("refresh_token") or last.form["refresh_token"]
        self.bob.disconnect()
        self.link(self.bob)
        if not self.provider.has_revocation:
            return "not supported by this provider"
        form = {name: last.form[name] for name in ("client_id", "client_secret") if name in last.form}
        form |= {"grant_type": "refresh_token", "refresh_token": token}
        if "resource" in last.form:
            form["resource"] = last.form["resource"]
        status = self.recorder.post(last.path, last.headers, form)
        if status not in (400, 401):
            raise Failure(f"a refresh with the revoked token is answered with {status}")
        right(self.alice, self.alice.call())
        return "revoked"

    def step_up(self):
        if not self.provider.has_step_up:
            return "not supported by this provider"
        outcome = self.alice.call("write")
        if outcome.link is None:
            raise Failure(f"no link: {outcome.text[:200]}")
        self.alice.connect(outcome.link, self.provider.typed(self.alice.name))
        outcome = self.alice.call("write")
        if outcome.text != "written by alice":
            raise Failure(outcome.text[:200])
        right(self.alice, self.alice.call())
        return "link, then works"


# The columns of the table, in the order of the steps.
STEPS = {
    "Login": Trial.login,
    "Registration": Trial.registration,
    "Calls in both eras": Trial.calls,
    "Refresh after expiry": Trial.refresh,
    "Rotation": Trial.rotation,
    f"{PARALLEL} calls at once": Trial.parallel,
    "Outage": Trial.outage,
    "Restart": Trial.restart,
    "Revoked there": Trial.revoked_there,
    "Disconnected here": Trial.disconnect,
    "Step-up": Trial.step_up,
}
