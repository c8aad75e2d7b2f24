//! Network policy of the pods of a server.

use std::collections::BTreeMap;

use ipnet::IpNet;
use mcp_gateway_platform::spec::{EgressRule, PodEgress};
use serde_json::{Value, json};

/// Pods from which the port of a server accepts connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Clients {
    /// Namespace; that of the server if `None`.
    pub(crate) namespace: Option<String>,
    /// Labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Returns the specification of the policy of the pods with `labels`: nothing may leave them but
/// what `egress` allows, and nobody but `clients` may connect to `port`.
///
/// Probes of the kubelet, and connections that the API server forwards, are not restricted by
/// network policies.
pub(super) fn policy(
    labels: &BTreeMap<String, String>,
    egress: &PodEgress,
    clients: Option<&Clients>,
    port: u16,
) -> Value {
    let mut allowed = vec![dns()];
    match egress {
        PodEgress::Allowed(rules) => allowed.extend(rules.iter().map(rule)),
        PodEgress::Internet => allowed.extend(EVERYWHERE.iter().map(|block| {
            json!({
                "to": [{"ipBlock": {"cidr": block, "except": private_within(block)}}],
            })
        })),
        _ => {}
    }
    let ingress: Vec<_> = clients
        .map(|clients| {
            json!({
                "from": [peer(clients)],
                "ports": [{"protocol": "TCP", "port": port}],
            })
        })
        .into_iter()
        .collect();
    json!({
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": allowed,
    })
}

fn peer(clients: &Clients) -> Value {
    let mut peer = json!({"podSelector": {"matchLabels": clients.labels}});
    if let Some(namespace) = &clients.namespace {
        // The API server sets this label since Kubernetes 1.21.
        peer["namespaceSelector"] =
            json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    }
    peer
}

/// Returns the rule for the DNS of the cluster. Its namespace has no label that all versions of
/// Kubernetes set.
fn dns() -> Value {
    json!({
        "to": [{
            "namespaceSelector": {},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    })
}

fn rule(rule: &EgressRule) -> Value {
    let cidr = rule.block.trunc().to_string();
    let except = private_within(&cidr);
    let mut block = json!({"cidr": cidr});
    if !except.is_empty() {
        block["except"] = except.into();
    }
    let mut allowed = json!({"to": [{"ipBlock": block}]});
    if !rule.ports.is_empty() {
        let ports = rule.ports.iter();
        allowed["ports"] = ports
            .map(|port| json!({"protocol": "TCP", "port": port}))
            .collect();
    }
    allowed
}

/// Returns the private ranges within `block`, which a block that is larger than them does not allow.
fn private_within(block: &str) -> Vec<&'static str> {
    let Ok(block) = block.parse::<IpNet>() else {
        return Vec::new();
    };
    let ranges = PRIVATE.iter().chain(EgressRule::NEVER).copied();
    let inside = |range: &&str| {
        range
            .parse()
            .is_ok_and(|range: IpNet| block.contains(&range) && block != range)
    };
    ranges
        .filter(inside)
        .filter(|range| *range != MAPPED)
        .collect()
}

/// All addresses.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Ranges that only a block within them allows: RFC 1918, shared address space, unique local
/// addresses, benchmarks, multicast, reserved ones.
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "fc00::/7",
    "ff00::/8",
];

/// IPv4 addresses in the form of IPv6. No packet has them, and the API server, which reads them as IPv4,
/// rejects a policy that excludes them from a block of IPv6.
const MAPPED: &str = "::ffff:0:0/96";

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(egress: &PodEgress) -> Value {
        policy(&BTreeMap::new(), egress, None, 80)["egress"].clone()
    }

    #[test]
    fn category_cluster_network_is_closed_but_for_dns() {
        assert_eq!(egress(&PodEgress::Denied), json!([dns()]));
        let denied = policy(&BTreeMap::new(), &PodEgress::Denied, None, 80);
        assert_eq!(denied["ingress"], json!([]));
        assert_eq!(denied["policyTypes"], json!(["Ingress", "Egress"]));
    }

    #[test]
    fn large_blocks_do_not_contain_private_ranges() {
        let all = egress(&PodEgress::Internet);
        let except = all[1]["to"][0]["ipBlock"]["except"].as_array().unwrap();
        for range in ["10.0.0.0/8", "169.254.0.0/16", "127.0.0.0/8"] {
            assert!(except.contains(&range.into()), "{range}");
        }
        let v6 = all[2]["to"][0]["ipBlock"]["except"].as_array().unwrap();
        assert!(v6.contains(&"fc00::/7".into()) && !v6.contains(&"10.0.0.0/8".into()));
        assert!(!v6.contains(&MAPPED.into()));

        let mut one = EgressRule::new("10.1.2.3/24".parse().unwrap());
        one.ports = vec![443];
        let own = egress(&PodEgress::Allowed(vec![one]));
        assert_eq!(own[1]["to"][0]["ipBlock"], json!({"cidr": "10.1.2.0/24"}));
        assert_eq!(own[1]["ports"][0]["port"], 443);
    }

    #[test]
    fn category_cluster_network_never_has_metadata_services() {
        for block in [
            "169.254.169.254/32",
            "127.0.0.1/32",
            "fe80::1/128",
            "fd00:ec2::254/128",
            "::ffff:169.254.169.254/128",
        ] {
            let found = EgressRule::forbidden(&block.parse().unwrap());
            assert!(found.is_some(), "{block}");
        }
        for block in ["10.0.0.0/8", "0.0.0.0/0", "93.184.216.34/32"] {
            assert_eq!(EgressRule::forbidden(&block.parse().unwrap()), None);
        }
    }
}
