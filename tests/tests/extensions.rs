//! Extensions behind several servers: hosts and servers that others wrote, and those that lie.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod extensions {
    mod apps;
    mod skills;

    /// A program of these tests.
    fn program(name: &str) -> std::path::PathBuf {
        let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/extensions");
        std::path::Path::new(programs).join(name)
    }

    /// Transport between client and gateway, and between gateway and server.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Era {
        Legacy,
        Modern,
    }

    impl Era {
        const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

        fn name(self) -> &'static str {
            match self {
                Self::Legacy => "legacy",
                Self::Modern => "modern",
            }
        }
    }
}
