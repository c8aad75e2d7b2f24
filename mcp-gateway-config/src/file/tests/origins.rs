//! Origins of hosted clients.

use super::*;

#[test]
fn origins_of_hosted_clients_are_one_word() {
    let config = parse("origins: [claude, chatgpt, 'https://app.example.com']\n").unwrap();
    assert_eq!(
        config.platform.dynamic.origins,
        [
            "https://claude.ai",
            "https://claude.com",
            "https://chatgpt.com",
            "https://chat.openai.com",
            "https://app.example.com",
        ]
    );
}

#[test]
fn a_public_url_without_origins_causes_a_warning() {
    let warnings = |text: &str| {
        let (_, warnings) = Config::read_from(text, &NoEnvironment).unwrap();
        warnings.len()
    };
    assert_eq!(warnings("publicUrl: https://mcp.example.com\n"), 1);
    for text in [
        "publicUrl: https://mcp.example.com\norigins: []\n",
        "publicUrl: https://mcp.corp.internal\n",
        "publicUrl: https://gateway\n",
        "publicUrl: http://10.0.0.1:8080\n",
    ] {
        assert_eq!(warnings(text), 0, "{text}");
    }
}
