use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use mcp_gateway_tests::environment::Environment;
use serde_json::Value;

use super::client::{ALICE, Client, Era};
use super::difference::differences;
use super::known::Known;
use super::server::{Server, TransportKind};
use super::table::{self, Outcome};

/// So many clients at a time, because each of them is impatient.
const AT_ONCE: usize = 4;

/// All tools that `server-everything` has for clients that can be asked everything.
const TOOLS_OF_EVERYTHING: usize = 17;

/// Transcripts of one client and one server, directly and through the gateway.
#[derive(Clone, Copy, Debug)]
struct Column {
    client: Client,
    era: Era,
    /// The server to compare with.
    direct: Server,
    through: &'static [(Server, TransportKind)],
}

const FIXTURES: &[(Server, TransportKind)] = &[
    (Server::Fixture(Era::Legacy), TransportKind::Http),
    (Server::Fixture(Era::Modern), TransportKind::Http),
];

/// Both ways to each real server.
const WAYS: [&[(Server, TransportKind)]; 3] = [
    &[
        (Server::Everything, TransportKind::Http),
        (Server::Everything, TransportKind::Stdio),
    ],
    &[
        (Server::Python1, TransportKind::Http),
        (Server::Python1, TransportKind::Stdio),
    ],
    &[
        (Server::Python2, TransportKind::Http),
        (Server::Python2, TransportKind::Stdio),
    ],
];

/// Differences through the gateway: the server, the script and the paths.
type Found = Vec<(Server, String, BTreeSet<String>)>;

impl Column {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for client in Client::ALL {
            for era in client.eras().iter().copied() {
                let column = |direct, through| Self {
                    client,
                    era,
                    direct,
                    through,
                };
                all.push(column(Server::Fixture(era), FIXTURES));
                all.extend(WAYS.map(|ways| column(ways[0].0, ways)));
            }
        }
        all
    }

    async fn play(self, environment: &Environment) -> (Self, Found) {
        let Self {
            client,
            era,
            direct,
            through,
        } = self;
        let scripts: Value = serde_json::from_str(direct.scripts()).unwrap();
        let expected = play_directly(environment, (client, era), direct, &scripts).await;
        let mut found = Vec::new();
        for (server, way) in through.iter().copied() {
            let (gateway, _running) = server.behind_gateway(environment, way).await;
            let place = (&*gateway.url, ALICE);
            let seen = client.play(environment, era, place, &scripts).await;
            gateway.stop().await;
            let title = format!("{client:?} {era:?} {server:?}/{way:?}");
            let differing = differing(&expected, &seen, &title);
            found.extend(differing.map(|(script, paths)| (server, script, paths)));
            if direct == Server::Everything {
                let tools = seen["tool list"][0]["result"]["tools"].as_array().unwrap();
                assert_eq!(
                    tools.len(),
                    TOOLS_OF_EVERYTHING,
                    "{client:?} {era:?}: {tools:?}"
                );
            }
        }
        (self, found)
    }
}

/// Returns the transcripts of a client of `server` without a gateway.
pub(super) async fn play_directly(
    environment: &Environment,
    (client, era): (Client, Era),
    server: Server,
    scripts: &Value,
) -> Value {
    let era = if server.speaks(era) { era } else { Era::Legacy };
    let running = server.start(environment).await;
    client
        .play(environment, era, (&running.url, ALICE), scripts)
        .await
}

/// Returns the paths of the differences of two transcripts, by the names of their scripts.
pub(super) fn differing(
    expected: &Value,
    seen: &Value,
    title: &str,
) -> impl Iterator<Item = (String, BTreeSet<String>)> {
    let scripts = expected.as_object().unwrap().keys();
    scripts.map(move |script| {
        let (expected, seen) = (&expected[script], &seen[script]);
        let differences = differences(expected, seen);
        if std::env::var_os("SHOW_DIFFERENCES").is_some() && !differences.is_empty() {
            show(&format!("{title} {script}"), expected, seen);
        }
        (script.clone(), differences)
    })
}

#[expect(clippy::print_stderr, reason = "somebody wants to see it")]
fn show(title: &str, expected: &Value, seen: &Value) {
    eprintln!("{title}\n  direct {expected}\n  seen {seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_the_same_through_the_gateway() {
    let environment = Environment::installed().await.unwrap();
    let columns = stream::iter(Column::all()).map(|column| column.play(&environment));
    let mut columns = columns.buffer_unordered(AT_ONCE);

    let mut unknown = BTreeSet::new();
    let mut outcome: Outcome = BTreeMap::new();
    while let Some((Column { client, era, .. }, found)) = columns.next().await {
        for (server, script, paths) in found {
            let row = outcome.entry((server.name(), script.clone())).or_default();
            let notes = row.entry((era, server.era())).or_default();
            for path in paths {
                match Known::of((era, server.era()), (server.name(), &script), &path) {
                    Some(note) => drop(notes.insert(note)),
                    None => drop(unknown.insert(format!(
                        "{} as {} client, {} {} server, {script}: {path}",
                        client.name(),
                        era.name(),
                        server.name(),
                        server.era().name()
                    ))),
                }
            }
        }
    }
    let unknown: Vec<_> = unknown.into_iter().collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    table::check(&outcome);
}
