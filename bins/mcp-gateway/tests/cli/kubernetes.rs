//! Servers on Kubernetes, without a cluster.

use crate::harness::{Folder, run};

#[tokio::test]
async fn definitions_are_checked_without_a_cluster() {
    let folder = Folder::new();
    let file = folder.write(
        "gateway.yaml",
        "kubernetes: { namespace: mcp, bridgeImage: registry.example.com/mcp-bridge:1 }
servers:
  - name: time
    kubernetes:
      image: registry.example.com/mcp-time:1.4
      command: mcp-server-time
      resources: { limits: { memory: 128Mi } }
",
    );
    let done = run(&["check", &file]).await;
    assert_eq!(
        (done.code, &*done.stdout),
        (Some(0), "ok: 1 server, 1 gateway\n")
    );

    let file = folder.write(
        "wrong.yaml",
        "kubernetes: {}
servers:
  - name: time
    kubernetes:
      image: registry.example.com/mcp-time:1.4
      http: { port: 8080 }
      resources: { limits: { memory: 128MB } }
      tolerations: [{ ky: dedicated }]
",
    );
    let done = run(&["check", &file]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for expected in [
        "wrong.yaml:7:38: servers[0].kubernetes.resources.limits.memory: \"128MB\" is not a quantity",
        "wrong.yaml:8:27: servers[0].kubernetes.tolerations[0].ky: unknown key \"ky\"; did you mean \"key\"?",
        "2 problems",
    ] {
        assert!(done.stdout.contains(expected), "{expected}\n{done:?}");
    }
}

#[tokio::test]
async fn servers_that_could_not_run_are_found_without_a_cluster() {
    let folder = Folder::new();
    let file = folder.write(
        "gateway.yaml",
        "kubernetes: {}
servers:
  - { name: demo, builtin: demo }
  - { name: time, kubernetes: { image: a, command: a, sleep: 1s } }
",
    );
    let done = run(&["check", &file]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for expected in [
        "server time: kubernetes.sleep: must be at least 5 seconds\n",
        "server time: kubernetes.transport: ",
        "2 problems",
    ] {
        assert!(done.stdout.contains(expected), "{expected}\n{done:?}");
    }
}

#[tokio::test]
async fn commands_beside_a_gateway_start_no_pods() {
    let folder = Folder::new();
    let file = folder.write(
        "gateway.yaml",
        "kubernetes: {}
servers:
  - { name: demo, builtin: demo }
  - { name: time, kubernetes: { image: a, command: a } }
",
    );
    let done = run(&["tools", &file]).await;
    assert!(done.stdout.contains("demo__add"), "{done:?}");
    let output = format!("{}{}", done.stdout, done.stderr);
    assert!(output.contains("it runs on Kubernetes"), "{done:?}");
}
