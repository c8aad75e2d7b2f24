use super::client::Era;

/// A difference that is as it should be.
#[derive(Debug)]
pub(super) struct Known {
    /// The eras of the client and the server; any where there is none.
    client: Option<Era>,
    server: Option<Era>,
    /// Server and script; any if empty.
    place: (&'static str, &'static str),
    /// The sign of the difference, and the end of its path.
    paths: &'static [(char, &'static str)],
    pub(super) reason: &'static str,
}

const ANYWHERE: (&str, &str) = ("", "");
const HELLO: &str = "server information";

/// All differences that are known.
pub(super) const KNOWN: &[Known] = &[
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: ANYWHERE,
        paths: &[('+', "/result/resultType")],
        reason: "results of a modern server contain `resultType`, which legacy clients ignore",
    },
    Known {
        client: Some(Era::Legacy),
        server: None,
        place: ("rmcp", ""),
        paths: &[('-', "/result/ttlMs"), ('-', "/result/cacheScope")],
        reason: "lists have no `ttlMs` and `cacheScope`, which do not exist in the legacy era; the \
                 server itself sends them nevertheless",
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
        reason: "the gateway adds the `resultType` and the time to live that the modern era \
                 requires; a legacy server provides neither, so that the time to live is zero",
    },
    Known {
        client: Some(Era::Legacy),
        server: Some(Era::Modern),
        place: ("rmcp", "client without capabilities"),
        paths: &[('!', "/1/error/code")],
        reason: "the error code of a modern server for a missing client capability, `-32021`, does \
                 not exist in the legacy era and becomes `-32603`",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("", HELLO),
        paths: &[('!', "/result/protocolVersion")],
        reason: "the server does not support the modern era: the client uses it with the gateway, \
                 and is compared with a legacy client of the server",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("npm `server-everything`", ""),
        paths: &[('-', "/execution"), ('-', "/capabilities/tasks")],
        reason: "tasks of version 2025-11-25, and their tool annotations, do not exist in the \
                 modern era",
    },
    Known {
        client: Some(Era::Modern),
        server: Some(Era::Legacy),
        place: ("npm `server-everything`", "input requests"),
        paths: &[('-', "/params/elicitationId")],
        reason: "URL elicitation has no identifier in the modern era, where the retry confirms the \
                 visit",
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
