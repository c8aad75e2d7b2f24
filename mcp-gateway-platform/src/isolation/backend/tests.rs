//! Tests with shell scripts as programs.

use std::fs;
use std::time::Duration;

use mcp_gateway_core::transport::StdioTransport;
use tokio::time::{sleep, timeout};

use super::super::tree;
use super::*;
use crate::spec;

/// Backend of the shell script `text`, which gets the folder `report` to write to.
fn script(text: &str, report: &Path, change: impl FnOnce(&mut Isolation)) -> IsolatedProcess {
    script_in(StateRoot::default(), text, report, change)
}

/// Backend of the shell script `text` of the gateway with the state in `states`.
fn script_in(
    states: StateRoot,
    text: &str,
    report: &Path,
    change: impl FnOnce(&mut Isolation),
) -> IsolatedProcess {
    let mut isolation = Isolation {
        env: vec![("ID".to_owned(), "${id}".to_owned())],
        ..Isolation::default()
    };
    change(&mut isolation);
    let mut process = spec::Process::new("sh", ["-c", text]);
    process.env = vec![("REPORT".to_owned(), report.to_str().unwrap().into())];
    process.isolation = Some(isolation);
    let program = Program::new(&"script".into(), &process, &[]);
    IsolatedProcess::new(program, SessionPolicy::PerPrincipal, states)
}

fn instance(who: &str) -> Instance {
    let owner = InstanceOwner::Principal(who.into());
    Instance::new(InstanceKey::Principal(who.into()), owner)
}

async fn start(backend: &IsolatedProcess, who: &str) -> StdioTransport {
    match backend.connect(&instance(who)).await.unwrap() {
        Transport::Stdio(stdio) => stdio,
        Transport::Http(_) => panic!("a program speaks over stdio"),
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        timeout(Duration::from_secs(30), wait).await.is_ok(),
        "{what}"
    );
}

/// Reads what a script has written to `path`, as soon as the line is whole.
async fn line(path: PathBuf) -> String {
    until("a report", || {
        fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    fs::read_to_string(path).unwrap().trim().to_owned()
}

fn report() -> TempFolder {
    let owner = InstanceOwner::AllCallers;
    TempFolder::create(&OwnerRecord {
        gateway: None,
        server: Some("report".into()),
        owner,
    })
    .unwrap()
}

#[tokio::test]
async fn an_instance_has_the_values_of_its_credential() {
    let report = report();
    let text = "echo \"$KEY|$NOTE\" > $REPORT/$WHO; cat";
    let backend = script(text, report.path(), |own| {
        let env = [
            ("KEY", "${input:key}"),
            ("NOTE", "a${input:note}"),
            ("WHO", "${input:who}"),
        ];
        own.env = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    });
    let mut running = Vec::new();
    for (who, key) in [("a", "1"), ("b", "2")] {
        let credential = Credential::new(who)
            .with_value("key", key)
            .with_value("who", who);
        let instance = instance("alice").with_credential(credential);
        running.push(backend.connect(&instance).await.unwrap());
        let line = line(report.path().join(who)).await;
        assert_eq!(line, format!("{key}|"));
    }
}

#[tokio::test]
async fn instances_of_one_owner_share_a_workspace() {
    let report = report();
    let text = "echo \"$TMPDIR|$HOME|${state}|$ID\" > $REPORT/$$; cat";
    let backend = script(text, report.path(), |own| own.own_home = true);
    let (first, second) = (
        start(&backend, "alice").await,
        start(&backend, "alice").await,
    );
    let other = start(&backend, "bob").await;
    let reports = || {
        let entries = fs::read_dir(report.path()).unwrap().flatten();
        let texts = entries.map(|entry| fs::read_to_string(entry.path()).unwrap());
        texts
            .filter(|text| text.ends_with("\n") && text.contains('|'))
            .collect::<Vec<_>>()
    };
    until("three reports", || reports().len() == 3).await;
    let mut reports = reports();
    reports.sort_unstable();
    reports.dedup();
    let [alice, bob] = reports.try_into().unwrap();
    for (mine, theirs) in alice.trim().split('|').zip(bob.trim().split('|')) {
        assert!(!mine.is_empty() && mine != theirs, "{alice} {bob}");
    }
    let temps = [&alice, &bob].map(|text| PathBuf::from(text.split('|').next().unwrap()));
    assert!(temps.iter().all(|temp| temp.is_dir()));
    drop(first);
    sleep(Duration::from_millis(200)).await;
    assert!(
        temps.iter().all(|temp| temp.is_dir()),
        "the second one uses it"
    );
    drop((second, other));
    let ended = || temps.iter().all(|temp| !temp.parent().unwrap().exists());
    until("the end of the workspaces", ended).await;
}

#[tokio::test]
async fn a7_state_outlasts_instances_and_belongs_to_one_owner() {
    for (shared, expected) in [(false, ["", "", "1", "2"]), (true, ["", "1", "2", "3"])] {
        let report = report();
        // Each instance reports the number of the one before, and leaves its own.
        let text = "number=$(ls $REPORT | wc -l); cat ${state}/last > ${temp}/report; \
                    echo >> ${temp}/report; echo $((number - 1)) > ${state}/last; \
                    mv ${temp}/report $REPORT/$number; cat";
        let backend = script(text, report.path(), |own| own.shared_state = shared);
        let mut seen = Vec::new();
        for (at, who) in ["alice", "bob", "alice", "bob"].into_iter().enumerate() {
            // The owner file and the lock are in the folder from the start.
            let path = report.path().join((at + 2).to_string());
            let running = start(&backend, who).await;
            seen.push(line(path).await);
            drop(running);
        }
        assert_eq!(seen, expected, "shared: {shared}");
    }
}

#[tokio::test]
async fn a9_the_cleanup_command_ends_what_an_instance_has_left() {
    let report = report();
    let daemon = report.path().join("daemon");
    let text = "setsid sleep 600 < /dev/null > /dev/null 2>&1 & \
                echo $! > ${temp}/daemon; echo $! > $REPORT/daemon; cat";
    let cleanup = ["sh", "-c", "kill $(cat ${temp}/daemon)"].map(str::to_owned);
    let backend = script(text, report.path(), |own| own.cleanup = cleanup.to_vec());
    let running = start(&backend, "alice").await;
    let process = PathBuf::from("/proc").join(line(daemon).await);
    // The command line of a zombie is empty.
    let is_running = || fs::read(process.join("cmdline")).is_ok_and(|text| !text.is_empty());
    assert!(is_running());
    drop(running);
    until("the end of the daemon", || !is_running()).await;
}

#[tokio::test]
async fn a9_remains_of_a_killed_gateway_end_with_its_next_start() {
    let report = report();
    let [mine, other] = ["mine", "other"].map(|name| {
        let data = report.path().join(name);
        StateRoot::from(Some(data))
    });
    let temp = TempFolder::create(&OwnerRecord {
        gateway: Some(mine.gateway()),
        server: Some("script".into()),
        owner: InstanceOwner::Principal("alice".into()),
    })
    .unwrap();
    let path = temp.path().to_owned();
    let text = "echo ${id} > $REPORT/cleaned".to_owned();
    let cleanup = ["sh".to_owned(), "-c".to_owned(), text];
    let start = |states: &StateRoot| {
        let change = |own: &mut Isolation| own.cleanup = cleanup.to_vec();
        script_in(states.clone(), "cat", report.path(), change)
    };
    let cleaned = report.path().join("cleaned");
    // The sweep of a start is in the background, unless there is no runtime.
    let sweep = |states: &StateRoot| {
        std::thread::scope(|scope| scope.spawn(|| start(states).plan.sweep()).join().unwrap());
    };
    sweep(&mine);
    assert!(path.exists(), "the gateway is running");
    temp.abandon();
    sweep(&other);
    assert!(
        path.exists(),
        "another gateway of this user has the same server"
    );
    assert!(!cleaned.exists());
    let _backend = start(&mine);
    let id = line(cleaned).await;
    assert_eq!(Some(&*id), path.file_name().and_then(|name| name.to_str()));
    until("the removal of the folder", || !path.exists()).await;
}

#[test]
fn a9_a_program_cannot_hide_its_files_from_the_gateway() {
    tree::tests::unprivileged(|_| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(hidden_files());
    });
}

async fn hidden_files() {
    let report = report();
    let text = "mkdir ${state}/hidden ${temp}/hidden; echo > ${temp}/hidden/file; \
                head -c 300000 /dev/urandom > ${state}/hidden/large; \
                chmod 000 ${state}/hidden ${temp}/hidden; chmod 000 ${temp}; \
                echo ${temp} > $REPORT/done; cat";
    let backend = script(text, report.path(), |own| own.max_bytes = 200_000);
    let running = start(&backend, "alice").await;
    let temp = PathBuf::from(line(report.path().join("done")).await);
    let temp = temp.parent().unwrap();
    drop(running);
    until("the end of the workspace", || !temp.exists()).await;
    let refused = backend.connect(&instance("alice")).await.unwrap_err();
    let refused = mcp_gateway_core::error_chain(&refused);
    assert!(refused.contains("state.maxSize"), "{refused}");
}

#[tokio::test]
async fn a9_a_folder_beyond_its_limit_ends_the_program() {
    let report = report();
    let text = "echo started >> $REPORT/starts; \
                head -c 300000 /dev/urandom > ${state}/large; echo done >> $REPORT/starts; cat";
    let backend = script(text, report.path(), |own| own.max_bytes = 200_000);
    let running = start(&backend, "alice").await;
    let starts = report.path().join("starts");
    until("the end of the script", || {
        fs::read_to_string(&starts).is_ok_and(|text| text.contains("done"))
    })
    .await;
    drop(running);
    let refused = backend.connect(&instance("alice")).await.unwrap_err();
    let refused = mcp_gateway_core::error_chain(&refused);
    assert!(refused.contains("state.maxSize"), "{refused}");
    assert!(backend.connect(&instance("bob")).await.is_ok());
}

#[tokio::test]
async fn each_instance_has_a_port() {
    let report = report();
    let text = "echo ${port} > $REPORT/$$.port; cat";
    let backend = script(text, report.path(), |_| {});
    let _running = (
        start(&backend, "alice").await,
        start(&backend, "alice").await,
    );
    let ports = || {
        let entries = fs::read_dir(report.path()).unwrap().flatten();
        let paths = entries.map(|entry| entry.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|name| name == "port"));
        let texts = paths.filter_map(|path| fs::read_to_string(path).ok());
        texts
            .filter_map(|text| text.trim().parse::<u16>().ok())
            .collect::<Vec<_>>()
    };
    until("two ports", || ports().len() == 2).await;
    assert!(ports().iter().all(|port| *port > 0));
    assert_ne!(ports()[0], ports()[1]);
}
