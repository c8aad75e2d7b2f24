//! Comparison of what rules, pins and taints permit with what is listed, found and called: for random
//! rules, callers and arguments, in both eras, by `tools/call` and by `run_tool`.

#[path = "governed/outcome.rs"]
mod outcome;
#[path = "governed/rules.rs"]
mod rules;
#[path = "governed/stage.rs"]
mod stage;
#[path = "governed/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use mcp_gateway_platform::Platform;
use mcp_gateway_tests::postgres::Postgres;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::outcome::Outcome;
use self::rules::arguments_entry;
use self::stage::{Stage, clear_taints, has_taints};
use self::world::{ALL, Context, Expected, Gateway, Marks, Tool, User, Visit, World, world};
use crate::client::Client;
use crate::values::Values;

/// Visits of a gateway by a user, under random rules.
const CASES: usize = 10_000;

/// As many of them at two replicas on PostgreSQL.
const REPLICATED: usize = 500;

/// Platforms, of which two run at the same time.
const STAGES: u8 = 4;

/// Words that all tools match.
const QUERY: &str = "gadget connect account";

/// Names that no tool has.
const UNKNOWN: [&str; 3] = ["s0__zzz", "s1__GET", "get"];

/// A visit at one or two platforms, and what it has seen.
struct Scene<'a> {
    world: &'a World,
    user: &'a User,
    gateway: &'a Gateway,
    visit: &'a Visit,
    is_untrusted: bool,
    /// Client that lists.
    lists: Client<'a>,
    /// Client that calls, of another replica if there is one.
    calls: Client<'a>,
}

impl Scene<'_> {
    fn expected(&self, tool: &Tool) -> Expected {
        let arguments = (&self.visit.arguments, self.is_untrusted);
        self.world
            .expected((self.user, self.gateway), tool, arguments)
    }

    /// Returns the names of the tools that are expected in the list.
    fn listed(&self) -> BTreeSet<String> {
        let listed = ALL.iter().filter(|tool| self.expected(tool).is_listed);
        listed.map(Tool::exposed).collect()
    }

    async fn call(&self, name: &str) -> Outcome {
        let arguments = arguments_entry(&self.visit.arguments);
        self.ask(json!({ "name": name, "arguments": arguments }))
            .await
    }

    async fn run(&self, name: &str) -> Outcome {
        let arguments = arguments_entry(&self.visit.arguments);
        let arguments = json!({ "tool_name": name, "tool_args": arguments });
        self.ask(json!({ "name": "run_tool", "arguments": arguments }))
            .await
    }

    /// Returns the result of a call. The gateway applies its configuration again when its store has
    /// been read, and asks to repeat a call in the meantime.
    async fn ask(&self, params: Value) -> Outcome {
        loop {
            let answer = self.calls.ask("tools/call", params.clone()).await.unwrap();
            let outcome = Outcome::of(&answer);
            if !outcome.is_to_repeat() {
                return outcome;
            }
        }
    }

    /// Compares lists, searches and calls with what is expected.
    async fn compare(&self) {
        self.compare_lists().await;
        match self.visit.runs && self.gateway.has_search {
            true => self.compare_runs().await,
            false => self.compare_calls().await,
        }
        let name = UNKNOWN[self.visit.arguments[0] as usize % UNKNOWN.len()];
        let outcome = self.call(name).await;
        assert!(!outcome.is_call(), "{name} {outcome:?} {self}");
    }

    /// Compares the list and a search.
    async fn compare_lists(&self) {
        let expected = self.listed();
        let mut listed = self.lists.list("tools", "name").await.unwrap();
        if self.gateway.has_search && !listed.is_empty() {
            assert_eq!(listed[..2], ["search_tools", "run_tool"], "{self}");
            listed.drain(..2);
            assert_eq!(self.found().await, expected, "searched by {self}");
        }
        assert_eq!(names(listed), expected, "listed for {self}");
    }

    /// Returns the names of the tools that a search finds.
    async fn found(&self) -> BTreeSet<String> {
        let arguments = json!({ "query": QUERY, "limit": 20 });
        let params = json!({ "name": "search_tools", "arguments": arguments });
        let answer = self.lists.ask("tools/call", params).await.unwrap();
        let tools = answer["result"]["structuredContent"]["tools"].as_array();
        let tools = tools.unwrap_or_else(|| panic!("{answer} {self}"));
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        names(tools.iter().map(name).collect())
    }

    /// Compares the calls of the tools that taint nothing.
    async fn compare_calls(&self) {
        for tool in Tool::harmless() {
            let outcome = self.call(&tool.exposed()).await;
            let expected = self.expected(tool);
            assert!(
                outcome.is_expected(tool, &expected),
                "tools/call of {tool:?}: {outcome:?}, {expected:?} {self}"
            );
        }
    }

    /// Compares the same calls by `run_tool`.
    async fn compare_runs(&self) {
        for tool in Tool::harmless() {
            let outcome = self.run(&tool.exposed()).await;
            let expected = self.expected(tool);
            assert!(
                outcome.is_expected(tool, &expected),
                "run_tool of {tool:?}: {outcome:?}, {expected:?} {self}"
            );
        }
    }

    /// Calls the tool whose results taint the context. Returns `true` if it has been called.
    async fn taint(&self) -> bool {
        let tool = Tool::tainting();
        let (name, expected) = (tool.exposed(), self.expected(tool));
        let runs = self.visit.runs && self.gateway.has_search;
        let outcome = match runs {
            true => self.run(&name).await,
            false => self.call(&name).await,
        };
        assert!(
            outcome.is_expected(tool, &expected),
            "{name}: {outcome:?}, {expected:?}, {runs} {self}"
        );
        outcome.is_call()
    }

    /// Waits until the list is the expected one: another replica may learn of a taint later.
    async fn follow(&self) {
        let expected = self.listed();
        let mut last = Vec::new();
        let following = async {
            loop {
                let mut listed = self.lists.list("tools", "name").await.unwrap();
                listed.retain(|name| name.contains("__"));
                last.clone_from(&listed);
                if names(listed) == expected {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let followed = timeout(Duration::from_secs(20), following).await;
        assert!(
            followed.is_ok(),
            "the list {last:?} does not become {expected:?} {self}"
        );
    }
}

impl fmt::Display for Scene<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            gateway,
            visit,
            is_untrusted,
            ..
        } = self;
        write!(
            f,
            "{user:?} at {gateway:?}, {visit:?}, untrusted: {is_untrusted}, {:#}",
            self.world.rules.entry()
        )
    }
}

fn names(list: Vec<String>) -> BTreeSet<String> {
    let count = list.len();
    let names: BTreeSet<_> = list.into_iter().collect();
    assert_eq!(names.len(), count, "a name is there twice: {names:?}");
    names
}

/// Returns a client of a visit.
async fn client<'a>(
    platform: &'a Platform,
    (gateway, user): (&Gateway, &User),
    context: Context,
) -> Client<'a> {
    let mut client = Client::new(platform, &gateway.name, user.name);
    match context {
        Context::Session => client.begin_session().await,
        Context::Conversation(name) => client = client.with_conversation(name),
        Context::Caller => {}
    }
    client
}

/// Platforms that have a world, one or two, and the taints that are there.
struct Compared<'a> {
    platforms: &'a [&'a Platform],
    world: &'a World,
    marks: Marks,
}

impl<'a> Compared<'a> {
    /// Compares all visits of `world` at `platforms`. Returns the number of cases.
    async fn compare(platforms: &'a [&'a Platform], world: &'a World) -> usize {
        let mut compared = Self {
            platforms,
            world,
            marks: Marks::default(),
        };
        for number in 0..world.visits.len() {
            compared.visit(number).await;
        }
        if !compared.marks.is_empty() {
            clear_taints(platforms[0]).await;
        }
        world.visits.len()
    }

    /// Compares the visit `number`.
    async fn visit(&mut self, number: usize) {
        let (mut scene, context) = self.scene(number).await;
        let is_alone = self.platforms.len() == 1;
        if !is_alone {
            scene.follow().await;
        }
        scene.compare().await;
        if !scene.visit.taints || !scene.taint().await {
            return;
        }
        self.marks.taint(scene.gateway, scene.user, context);
        scene.is_untrusted = true;
        // A call waits for nothing. Lists, and with them `run_tool`, may learn of a taint later.
        scene.compare_calls().await;
        if !is_alone {
            scene.follow().await;
        }
        scene.compare_lists().await;
        if scene.gateway.has_search {
            scene.compare_runs().await;
        }
    }

    /// Begins the visit `number`. Returns it with the number of its session, 0 without one.
    async fn scene(&self, number: usize) -> (Scene<'a>, (Context, usize)) {
        let (world, platforms) = (self.world, self.platforms);
        let visit = &world.visits[number];
        let user = &world.users[number % world.users.len()];
        let gateway = &world.gateways[number / world.users.len() % world.gateways.len()];
        let platform = platforms[number % platforms.len()];
        let lists = client(platform, (gateway, user), visit.context).await;
        // A session is at one replica.
        let (context, calls) = match visit.context {
            Context::Session => ((visit.context, number), lists.clone()),
            context => {
                let other = platforms[(number + 1) % platforms.len()];
                let calls = client(other, (gateway, user), context).await;
                ((context, 0), calls)
            }
        };
        let scene = Scene {
            world,
            user,
            gateway,
            visit,
            is_untrusted: self.marks.is_untrusted(gateway, user, context),
            lists,
            calls,
        };
        (scene, context)
    }
}

/// Compares cases of `seed`.
async fn compare_stage(seed: u8) {
    let mut values = Values::new(seed);
    let stage = Stage::new(None);
    let platform = stage.start(&values.next(world())).await;
    let mut cases = 0;
    while cases < CASES / usize::from(STAGES) {
        let world = values.next(world());
        stage.apply(&platform, &world);
        cases += Compared::compare(&[&platform], &world).await;
    }
    platform.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rules_list_can_be_found_and_called() {
    let stages: JoinSet<()> = (0..STAGES).map(compare_stage).collect();
    stages.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_decide_alike() {
    let mut values = Values::new(101);
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let stage = Stage::new(Some(database));
    let first = values.next(world());
    let (first, second) = (stage.start(&first).await, stage.start(&first).await);
    let mut cases = 0;
    while cases < REPLICATED {
        let world = values.next(world());
        stage.apply(&first, &world);
        stage.apply(&second, &world);
        cases += Compared::compare(&[&first, &second], &world).await;
        let empty = async {
            while has_taints(&second).await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), empty).await.unwrap();
    }
    first.close().await;
    second.close().await;
}
