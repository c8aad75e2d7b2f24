//! A gateway that requires bound tokens, and one that calls it with such a token.

use mcp_gateway_tests::wire::Wire;
use serde_json::json;

use crate::harness::{Gateway, SECRET};

/// Gateway that accepts bound tokens alone, with nonces.
const STRICT: &str = "
auth:
  oauth:
    dpopNonces: true
    clientMetadataDocuments: always
    clients: [{ id: machine, secret: { env: SECRET } }]
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: main, dpop: required }]
";

#[tokio::test]
async fn o110_a_gateway_calls_another_one_with_bound_tokens() {
    let strict = Gateway::start(STRICT).await;
    let url = strict.endpoint();
    let config = format!(
        "
auth:
  anonymous: true
  allowedNetworks: [127.0.0.0/8]
servers:
  - name: strict
    remote:
      url: {url}
      auth:
        clientCredentials: {{ clientId: machine, clientSecret: {{ env: SECRET }} }}
"
    );
    let caller = Gateway::start(&config).await;
    let wire = Wire::new(caller.endpoint());
    for text in ["one", "two"] {
        let arguments = json!({ "text": text });
        let reply = wire.call("strict__demo__echo", arguments).await.unwrap();
        let answer = reply.answer();
        let result = &answer["result"];
        assert_eq!(result["content"][0]["text"], text, "{}", caller.stderr());
    }
}

#[tokio::test]
async fn a_gateway_that_requires_bound_tokens_says_so() {
    let strict = Gateway::start(STRICT).await;
    for token in [None, Some(SECRET)] {
        let wire = match token {
            Some(token) => strict.wire(token),
            None => Wire::new(strict.endpoint()),
        };
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        assert_eq!(reply.status, 401);
        let challenges = reply.headers.get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges.map(|it| it.to_str().unwrap()).collect();
        assert_eq!(challenges.len(), 2, "{challenges:?}");
        assert!(challenges[0].starts_with("Bearer "), "{challenges:?}");
        assert!(challenges[1].starts_with("DPoP algs=\""), "{challenges:?}");
        assert!(
            challenges
                .iter()
                .all(|it| it.contains("resource_metadata="))
        );
    }
}
