use super::client::Era;

/// A difference that is as it should be.
#[derive(Debug)]
pub(super) struct Known {
    /// The eras of the client and the server; any where there is none.
    client: Option<Era>,
    server: Option<Era>,
    /// Where it may be: the name of the server and the script; anywhere where it is empty.
    place: (&'static str, &'static str),
    /// The sign of the difference, and the end of its path.
    paths: &'static [(char, &'static str)],
    pub(super) reason: &'static str,
}

const ANYWHERE: (&str, &str) = ("", "");
const HELLO: &str = "what the server says about itself";
const PYTHON: &str = "Python `mcp` 2";

/// All differences that are known.
pub(super) const KNOWN: &[Known] = &[
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: ANYWHERE,
        paths: &[('+', "/result/resultType")],
        reason: "the results of a modern server have a `resultType`, which means nothing to a \
                 legacy client",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: (PYTHON, ""),
        paths: &[
            ('+', "/result/_meta"),
            ('+', "/result/ttlMs"),
            ('+', "/result/cacheScope"),
        ],
        reason: "the server says in the modern era alone who it is in `_meta` of each result, and \
                 for how long a resource is true; a legacy client does not mind",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: (PYTHON, "prompts"),
        paths: &[('!', "/2/error/code"), ('!', "/2/error/message")],
        reason: "the server has another error for an argument that is missing in the modern era",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: (PYTHON, "resources"),
        paths: &[('!', "/4/error/code")],
        reason: "a resource that is missing is `-32002`, as the legacy revisions want it; the \
                 server by itself answers `-32602` in both eras",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: (PYTHON, HELLO),
        paths: &[('!', "/listChanged"), ('!', "/subscribe")],
        reason: "the server tells of changes in the modern era alone, and so the gateway does",
    },
    Known {
        client: Some(Era::Legacy),
        server: None,
        place: ("rmcp", ""),
        paths: &[('-', "/result/ttlMs"), ('-', "/result/cacheScope")],
        reason: "a list has no `ttlMs` and `cacheScope`, which mean nothing in the legacy era; the \
                 server by itself sends them all the same",
    },
    Known {
        client: Some(Era::Modern),
        server: None,
        place: ANYWHERE,
        paths: &[('!', "/result/ttlMs")],
        reason: "the gateway may have read a list a while ago: `ttlMs` is what is left of the time \
                 for which the server says that it is true",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ANYWHERE,
        paths: &[
            ('+', "/result/ttlMs"),
            ('+', "/result/cacheScope"),
            ('+', "/result/resultType"),
        ],
        reason: "the gateway says that a result is complete and for how long it is true, which the \
                 modern era wants to know: a legacy server says neither, so that is no time at all",
    },
    Known {
        client: Some(Era::Modern),
        server: None,
        place: ANYWHERE,
        paths: &[('+', "/result/_meta")],
        reason: "a list is made by the gateway from those of all servers, and says so in `_meta`",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: ("rmcp", "a client that declares nothing"),
        paths: &[('!', "/1/error/code")],
        reason: "the code of a modern server for what the client has not declared, `-32021`, \
                 would say something about the revision: it is `-32603`",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("", HELLO),
        paths: &[('!', "/result/protocolVersion")],
        reason: "the server itself has no modern revision to compare with: the client has one with \
                 the gateway, and sees what it sees from the server in the legacy era",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("npm `server-everything`", ""),
        paths: &[('-', "/execution"), ('-', "/capabilities/tasks")],
        reason: "tasks of revision 2025-11-25, and what tools say about them, are unknown to the \
                 modern era",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("npm `server-everything`", "questions"),
        paths: &[('-', "/params/elicitationId")],
        reason: "an address to visit has no identifier in the modern era, where the retry says \
                 that it was visited",
    },
];

impl Known {
    /// The reason for the difference at `path`, by its number among those that are known.
    pub(super) fn of(
        (client, era): (Era, Era),
        (server, script): (&str, &str),
        path: &str,
    ) -> Option<usize> {
        let is = |wanted: &str, name: &str| wanted.is_empty() || wanted == name;
        KNOWN.iter().position(|known| {
            known.client.is_none_or(|wanted| wanted == client)
                && known.server.is_none_or(|wanted| wanted == era)
                && is(known.place.0, server)
                && is(known.place.1, script)
                && known
                    .paths
                    .iter()
                    .any(|(sign, end)| path.starts_with(*sign) && path.ends_with(end))
        })
    }
}
