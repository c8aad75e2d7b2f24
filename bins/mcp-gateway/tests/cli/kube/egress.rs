//! Network policies that the API server accepts.

use std::time::Duration;

use mcp_gateway_tests::kube::KubeNode;
use tokio::time::{sleep, timeout};

use crate::kube::{NEAR, Place, SLOWLY, deployment, serve};

/// Destinations, as definitions name them.
const EGRESS: [&str; 5] = [
    "deny",
    "internet",
    "[{ cidr: 0.0.0.0/0, ports: [443] }, { cidr: \"::/0\", ports: [443] }]",
    "[{ cidr: \"::/1\" }, { cidr: 203.0.113.0/24 }]",
    "[{ cidr: 10.0.0.0/8, ports: [53, 443] }]",
];

#[tokio::test]
async fn kube_policies_of_all_destinations_are_accepted() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let server = |(number, egress): (usize, &str)| {
        let keys = format!("image: localhost/none:1, http: {{ port: 80 }}, egress: {egress}");
        (format!("s{number}"), keys)
    };
    let servers: Vec<_> = EGRESS.into_iter().enumerate().map(server).collect();
    let gateway = serve(&place.write(NEAR, &servers)).await;
    for (name, _) in &servers {
        let known = async {
            loop {
                let found = deployment(&gateway, name).await;
                // The pod comes after its policy, and has no image.
                match found["reason"].as_str() {
                    Some("ImagePullBackOff") => return,
                    Some("InvalidDefinition") => panic!("{found}"),
                    _ => sleep(Duration::from_millis(100)).await,
                }
            }
        };
        let found = timeout(SLOWLY, known).await;
        assert!(found.is_ok(), "{name}\n{}", gateway.stderr());
    }
}
