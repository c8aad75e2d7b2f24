use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Declare(Vec<(u8, u8, u8)>),
    Faults(Vec<Fault>),
    BreakWatches(bool),
    Stall,
    Resume,
    RemovePolicy(u8),
    RemoveDeployment(u8),
    Meddle(u8),
    Scale(u8, u8),
    Connect(u8),
    Pass(u8),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Status(409)),
        Just(Fault::Status(429)),
        Just(Fault::Status(500)),
        Just(Fault::Status(503)),
        Just(Fault::Hang),
        Just(Fault::LostResponse),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let server = 0..4_u8;
    prop_oneof![
        3 => prop::collection::vec((server.clone(), 0..3_u8, 0..3_u8), 0..4).prop_map(Event::Declare),
        2 => prop::collection::vec(fault(), 1..8).prop_map(Event::Faults),
        1 => any::<bool>().prop_map(Event::BreakWatches),
        1 => Just(Event::Stall),
        1 => Just(Event::Resume),
        1 => server.clone().prop_map(Event::RemovePolicy),
        1 => server.clone().prop_map(Event::RemoveDeployment),
        1 => server.clone().prop_map(Event::Meddle),
        1 => (server.clone(), 0..3_u8).prop_map(|(server, replicas)| Event::Scale(server, replicas)),
        1 => server.prop_map(Event::Connect),
        3 => (0..120_u8).prop_map(Event::Pass),
    ]
}

fn servers(set: &[(u8, u8, u8)]) -> Vec<DeclaredServer> {
    let unique: std::collections::BTreeMap<_, _> = set.iter().map(|one| (one.0, one)).collect();
    let server = |one: &&(u8, u8, u8)| {
        let image = format!("a:{}", one.1);
        let server = match one.2 {
            0 => bridged(&image),
            1 => http(&image, None),
            _ => http(&image, Some(30)),
        };
        declared(&format!("s{}", one.0), server)
    };
    unique.values().map(server).collect()
}

async fn happen(event: &Event, cluster: &FakeCluster, orchestrator: &KubernetesOrchestrator) {
    let name = |server: &u8| format!("mcp-gateway-s{server}");
    match event {
        Event::Declare(set) => declare(orchestrator, servers(set)),
        Event::Faults(faults) => cluster.world().faults.extend(faults),
        Event::BreakWatches(compact) => cluster.break_watches(*compact),
        Event::Stall => cluster.world().is_stalled = true,
        Event::Resume => cluster.resume(),
        Event::RemovePolicy(server) => cluster.remove("networkpolicies", &name(server)),
        Event::RemoveDeployment(server) => cluster.remove("deployments", &name(server)),
        Event::Meddle(server) => cluster.meddle("deployments", &name(server), |one| {
            let pod = &mut one["spec"]["template"]["spec"];
            pod["containers"][0]["image"] = "evil:1".into();
            pod["volumes"] = json!([{"name": "evil"}]);
        }),
        Event::Scale(server, replicas) => cluster.meddle("deployments", &name(server), |one| {
            one["spec"]["replicas"] = (*replicas).into();
        }),
        Event::Connect(server) => {
            let backend = orchestrator.backend(&format!("s{server}").into());
            let instance = Instance::shared();
            let connecting = backend.connect(&instance);
            let _ = tokio::time::timeout(Duration::from_secs(2), connecting).await;
        }
        Event::Pass(seconds) => settle(u64::from(*seconds)).await,
    }
}

/// Fails unless the cluster has exactly the servers of `set`.
fn assert_converged(cluster: &FakeCluster, set: &[(u8, u8, u8)]) {
    let expected = servers(set);
    let names: Vec<_> = expected
        .iter()
        .map(|one| format!("mcp-gateway-{}", one.name))
        .collect();
    assert_eq!(cluster.names("deployments"), names);
    assert_eq!(cluster.names("networkpolicies"), names);
    for (server, name) in expected.iter().zip(&names) {
        let deployment = cluster.find("deployments", name).unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(
            pod["containers"][0]["image"], *server.definition.image,
            "{name}"
        );
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(
            volumes.iter().all(|volume| volume["name"] != "evil"),
            "{name}"
        );
        let replicas = deployment["spec"]["replicas"].as_i64().unwrap();
        match server.definition.sleep {
            Some(_) => assert_eq!(replicas, 0, "{name}"),
            None => assert!(replicas > 0, "{name}"),
        }
    }
    let bridged = expected
        .iter()
        .filter(|one| one.definition.transport == PodTransport::Bridge);
    for server in bridged {
        assert!(
            cluster
                .find("secrets", &format!("mcp-gateway-{}", server.name))
                .is_some()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_the_cluster_converges(
        events in prop::collection::vec(event(), 1..24),
        last in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_u8), 0..4),
    ) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cluster = FakeCluster::default();
            let orchestrator = orchestrator(&cluster);
            for event in &events {
                happen(event, &cluster, &orchestrator).await;
            }
            cluster.world().faults.clear();
            cluster.resume();
            declare(&orchestrator, servers(&last));
            // Longer than the longest delay, and than the time after which servers sleep.
            settle(700).await;
            assert_converged(&cluster, &last);
            assert_bounded(&cluster);
            // Nothing is done without a cause.
            let before = cluster.world().requests.len();
            settle(500).await;
            let more = cluster.world().requests.len() - before;
            assert!(more <= 20, "{more} requests while nothing changed");
        });
    }
}
