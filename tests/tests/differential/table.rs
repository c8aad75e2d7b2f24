use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

use super::client::{Client, Era};
use super::known::KNOWN;
use super::server::Server;

const BEGIN: &str = "<!-- begin table -->\n";
const END: &str = "<!-- end table -->";

/// The known differences by server, script, and the eras of the client and the server.
pub(super) type Outcome = BTreeMap<(&'static str, String), BTreeMap<(Era, Era), BTreeSet<usize>>>;

/// Checks that the documentation has the table of `outcome`, or writes it there when asked to.
pub(super) fn check(outcome: &Outcome) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients-and-servers.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (committed, after) = rest.split_once(END).unwrap();
    let table = Table::new(outcome).text();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        let hint = "docs/clients-and-servers.md is not current: run this test with UPDATE_DOCS=1";
        assert_eq!(committed, table, "{hint}");
    }
}

struct Table<'a> {
    outcome: &'a Outcome,
    letters: BTreeMap<usize, char>,
}

impl<'a> Table<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let used = outcome.values().flat_map(BTreeMap::values).flatten();
        let used: BTreeSet<usize> = used.copied().collect();
        let letters = used.into_iter().zip('a'..).collect();
        Self { outcome, letters }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for era in Era::ALL {
            let clients = Client::ALL.iter();
            let clients = clients.filter(|client| client.eras().contains(&era));
            let clients: Vec<_> = clients.map(|client| client.name()).collect();
            writeln!(text, "- {} clients: {}", era.name(), clients.join(", ")).unwrap();
        }
        text.push_str("\nWith an rmcp server of either era:\n\n| client → server |");
        for (client, server) in cells() {
            write!(text, " {} → {} |", client.name(), server.name()).unwrap();
        }
        text.push_str("\n|---|---|---|---|---|\n");
        self.rows(
            &mut text,
            Server::Fixture(Era::Legacy),
            &cells().collect::<Vec<_>>(),
        );
        for server in Server::REAL {
            let (name, era) = (server.name(), server.era());
            let how = match server.speaks(Era::Modern) {
                true => "a server of both eras",
                false => "a legacy server",
            };
            write!(
                text,
                "\nWith {name}, {how}, over HTTP and stdio:\n\n\
                 | | legacy client | modern client |\n|---|---|---|\n"
            )
            .unwrap();
            self.rows(&mut text, server, &Era::ALL.map(|client| (client, era)));
        }
        text.push('\n');
        for (note, letter) in &self.letters {
            writeln!(text, "- {letter}: {}.", KNOWN[*note].reason).unwrap();
        }
        text
    }

    fn rows(&self, text: &mut String, server: Server, cells: &[(Era, Era)]) {
        let scripts: serde_json::Map<String, Value> =
            serde_json::from_str(server.scripts()).unwrap();
        for script in scripts.keys() {
            let row = &self.outcome[&(server.name(), script.clone())];
            write!(text, "| {script} |").unwrap();
            for cell in cells {
                let notes = row[cell].iter().map(|note| self.letters[note].to_string());
                match notes.collect::<Vec<_>>().as_slice() {
                    [] => text.push_str(" same |"),
                    notes => write!(text, " same except {} |", notes.join(", ")).unwrap(),
                }
            }
            text.push('\n');
        }
    }
}

fn cells() -> impl Iterator<Item = (Era, Era)> {
    let pairs = |client| Era::ALL.into_iter().map(move |server| (client, server));
    Era::ALL.into_iter().flat_map(pairs)
}
