//! Methods of requests and notifications.

use std::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Method of a request or notification.
        ///
        /// Has a variant for each method of every protocol version. Any other method is
        /// [`Other`](Self::Other) and is forwarded unchanged.
        ///
        /// # Example
        ///
        /// ```
        /// use mcp_gateway_core::protocol::Method;
        ///
        /// assert_eq!(Method::from("tools/call"), Method::ToolsCall);
        /// assert_eq!(Method::ToolsCall.name_param(), Some("name"));
        /// assert_eq!(Method::from("acme/sing").as_str(), "acme/sing");
        /// assert!(Method::Initialize.is_removed());
        /// ```
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Method {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
            /// A method that no protocol version defines.
            Other(Box<str>),
        }

        impl Method {
            /// Returns the name on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<&str> for Method {
            fn from(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other(name.into()),
                }
            }
        }

        #[cfg(test)]
        const KNOWN: &[&str] = &[$($name,)*];
    };
}

methods! {
    Cancelled = "notifications/cancelled",
    CompletionComplete = "completion/complete",
    ElicitationComplete = "notifications/elicitation/complete",
    ElicitationCreate = "elicitation/create",
    Initialize = "initialize",
    Initialized = "notifications/initialized",
    LogMessage = "notifications/message",
    LoggingSetLevel = "logging/setLevel",
    Ping = "ping",
    Progress = "notifications/progress",
    PromptsGet = "prompts/get",
    PromptsList = "prompts/list",
    PromptsListChanged = "notifications/prompts/list_changed",
    ResourcesDirectoryRead = "resources/directory/read",
    ResourcesList = "resources/list",
    ResourcesListChanged = "notifications/resources/list_changed",
    ResourcesRead = "resources/read",
    ResourcesSubscribe = "resources/subscribe",
    ResourcesTemplatesList = "resources/templates/list",
    ResourcesUnsubscribe = "resources/unsubscribe",
    ResourcesUpdated = "notifications/resources/updated",
    RootsList = "roots/list",
    RootsListChanged = "notifications/roots/list_changed",
    SamplingCreateMessage = "sampling/createMessage",
    ServerDiscover = "server/discover",
    SkillsGet = "skills/get",
    SkillsList = "skills/list",
    SubscriptionsAcknowledged = "notifications/subscriptions/acknowledged",
    SubscriptionsListen = "subscriptions/listen",
    TaskStatus = "notifications/tasks/status",
    TasksCancel = "tasks/cancel",
    TasksGet = "tasks/get",
    TasksList = "tasks/list",
    TasksNotification = "notifications/tasks",
    TasksResult = "tasks/result",
    TasksUpdate = "tasks/update",
    ToolsCall = "tools/call",
    ToolsList = "tools/list",
    ToolsListChanged = "notifications/tools/list_changed",
}

impl Method {
    /// Returns the parameter that names the target of the request, which the header `Mcp-Name`
    /// mirrors.
    ///
    /// See [MCP 2026-07-28, standard request headers][headers] and, for tasks, [the tasks
    /// extension][tasks].
    ///
    /// [headers]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#standard-request-headers
    /// [tasks]: https://modelcontextprotocol.io/seps/2663-tasks-extension#streamable-http-routing-headers
    #[must_use]
    pub fn name_param(&self) -> Option<&'static str> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "few methods have a target")]
        match self {
            Self::PromptsGet | Self::ToolsCall => Some("name"),
            Self::ResourcesRead | Self::ResourcesSubscribe | Self::ResourcesUnsubscribe => {
                Some("uri")
            }
            Self::TasksCancel | Self::TasksGet | Self::TasksResult | Self::TasksUpdate => {
                Some("taskId")
            }
            _ => None,
        }
    }

    /// Returns `true` for a notification of a change, to which clients subscribe.
    pub(crate) fn is_change(&self) -> bool {
        matches!(
            self,
            Self::PromptsListChanged
                | Self::ResourcesListChanged
                | Self::ResourcesUpdated
                | Self::TaskStatus
                | Self::TasksNotification
                | Self::ToolsListChanged
        )
    }

    /// Returns `true` if a result of the method has a lifetime and a scope in the modern era, lists
    /// of features aside.
    ///
    /// See [MCP 2026-07-28,
    /// caching](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching)
    /// and the [skills extension](https://github.com/modelcontextprotocol/ext-skills).
    pub(crate) fn is_cacheable(&self) -> bool {
        matches!(
            self,
            Self::ResourcesDirectoryRead | Self::ResourcesRead | Self::SkillsGet | Self::SkillsList
        )
    }

    /// Returns `true` if revision 2026-07-28 removed the method from the protocol.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        matches!(
            self,
            Self::Initialize
                | Self::Initialized
                | Self::LoggingSetLevel
                | Self::Ping
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
                | Self::RootsListChanged
                | Self::TasksList
                | Self::TasksResult
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for name in KNOWN {
            let method = Method::from(*name);
            assert!(!matches!(method, Method::Other(_)), "{name}");
            assert_eq!(method.as_str(), *name);
        }
        assert_eq!(Method::from("vendor/x"), Method::Other("vendor/x".into()));
    }
}
