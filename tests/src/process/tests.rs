use std::{fs, net::Ipv4Addr, path::Path, time::Instant};

use tokio::net::TcpListener;

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::start(command).unwrap()
}

#[tokio::test]
async fn lines_come_one_after_the_other() {
    let mut process = shell("echo one; echo two");
    assert_eq!(process.line(SOON).await.unwrap(), "one");
    assert_eq!(process.line(SOON).await.unwrap(), "two");
    assert!(matches!(
        process.line(SOON).await,
        Err(ProcessError::Ended { .. })
    ));
}

#[tokio::test]
async fn a_url_is_found_between_other_words() {
    let mut process = shell("echo starting; echo Listening on http://127.0.0.1:1/mcp now; cat");
    assert_eq!(process.url(SOON).await.unwrap(), "http://127.0.0.1:1/mcp");
}

#[tokio::test]
async fn errors_carry_what_the_program_wrote_last() {
    let mut process = shell("echo the reason >&2; exit 3");
    let error = process.url(SOON).await.unwrap_err();
    assert!(error.to_string().contains("the reason"), "{error}");
}

#[tokio::test]
async fn waiting_has_a_deadline() {
    let mut process = shell("cat");
    let start = Instant::now();
    let error = process.line(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, ProcessError::Deadline { .. }), "{error}");
    assert!(start.elapsed() < SOON);
}

#[tokio::test]
async fn programs_can_be_talked_to_until_they_are_hung_up_on() {
    let mut process = shell("cat");
    process.say("hello").await.unwrap();
    assert_eq!(process.line(SOON).await.unwrap(), "hello");
    process.hang_up();
    assert!(process.finish(SOON).await.unwrap().success());
    assert!(process.say("again").await.is_err());
}

#[tokio::test]
async fn finishing_keeps_the_output_and_does_not_wait_for_children() {
    let mut process = shell("sleep 1000 & echo done; exit 7");
    assert_eq!(process.finish(SOON).await.unwrap().code(), Some(7));
    assert_eq!(process.rest(), ["done"]);
}

#[tokio::test]
async fn a_program_can_be_asked_to_end() {
    let mut process = shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    process.line(SOON).await.unwrap();
    process.terminate();
    assert_eq!(process.finish(SOON).await.unwrap().code(), Some(5));
}

#[tokio::test]
async fn listening_is_noticed_and_so_is_an_early_end() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    shell("cat").listening(address, SOON).await.unwrap();
    drop(listener);
    let error = shell("exit 1").listening(address, SOON).await.unwrap_err();
    assert!(matches!(error, ProcessError::Ended { .. }), "{error}");
}

#[tokio::test]
async fn children_are_killed_with_the_process() {
    let mut process = shell("sleep 1000 & echo $!; wait");
    let child = process.line(SOON).await.unwrap();
    drop(process);
    let start = Instant::now();
    while is_running(&child) {
        assert!(start.elapsed() < SOON, "process {child} is still there");
        sleep(POLL_INTERVAL).await;
    }
}

/// Returns `true` if the process `id` exists and is no zombie.
fn is_running(id: &str) -> bool {
    let status = Path::new("/proc").join(id).join("stat");
    fs::read_to_string(status).is_ok_and(|status| !status.contains(") Z "))
}
